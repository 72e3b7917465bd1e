//! Beginning a download (`docs/journal-format.md`, step 1).

use std::sync::atomic::Ordering;

use super::names::place_journal;
use super::{Durability, JournalState, Part, PartError, guard};
use crate::fs::{FileId, FsFile, parent_dir};
use crate::journal::log::Log;
use crate::journal::{Fold, Record};
use crate::named;

impl Part {
    /// Begins, or starts over: a new journal holding `meta` (at most
    /// [`MAX_PAYLOAD`](crate::journal::MAX_PAYLOAD) bytes), then an empty part with the
    /// first of `size` bytes reserved ([`Part::expect`]). What was believed before is forgotten first.
    ///
    /// A disk that is too small is found before the transfer. Once this has returned, the
    /// description survives a power cut.
    ///
    /// # Errors
    /// The part is poisoned. If the new journal could not be put in place, what was there before is
    /// still there for the next run; if the part could not be made ready, both are removed.
    /// [`PartError::Exchanged`]: another program took one of the names; what is there stays.
    pub fn begin(&self, meta: &[u8], size: Option<u64>) -> Result<(), PartError> {
        self.begin_from(None, meta, size)
    }

    /// As [`Part::begin`], for bytes that come from `source`: where the part can share them with it, no space is
    /// reserved or asked for ([`Part::expect_from`]).
    ///
    /// # Errors
    /// As [`Part::begin`].
    pub fn begin_from(
        &self,
        source: Option<&dyn FsFile>,
        meta: &[u8],
        size: Option<u64>,
    ) -> Result<(), PartError> {
        let _turn = guard(&self.turn);
        let mut state = self.state();
        if let Some(poison) = self.poison.get() {
            return Err(poison.error());
        }
        let (part, journal) = (self.target.part(), self.target.journal());
        named::check(&*self.fs, self.id, &part)
            .map_err(|error| self.poisoned(PartError::name("inspect", &part)(error)))?;
        let old = state.log.as_ref().map(Log::id);
        let (log, fold) = self.put_new_journal(meta, old).map_err(|error| self.poisoned(error))?;
        let new = log.as_ref().map(Log::id);
        *state = JournalState { log, fold, since_compaction: None };
        self.sync_directory().map_err(|error| self.poisoned(error))?;
        self.empty_part(source, size).map_err(|error| {
            // Frees what was reserved, and leaves nothing behind that claims anything. If even
            // this fails, the journal claims no byte, which is as good.
            let _ = self.remove(self.id, &part);
            let _ = new.map(|id| self.remove(id, &journal));
            self.gone.store(true, Ordering::Relaxed);
            self.poisoned(error)
        })?;
        self.begun.store(true, Ordering::Release);
        Ok(())
    }

    /// The part must not change before the journal that claims its old bytes is durably replaced.
    fn put_new_journal(
        &self,
        meta: &[u8],
        old: Option<FileId>,
    ) -> Result<(Option<Log>, Fold), PartError> {
        let record = Record::Meta(meta.to_vec());
        if !record.is_writable() {
            return Err(PartError::io("write", &self.target.journal())(
                std::io::ErrorKind::InvalidInput.into(),
            ));
        }
        if self.durability == Durability::None {
            let mut fold = Fold::default();
            fold.apply(0, &record);
            return Ok((None, fold));
        }
        let (temporary, durable) = (self.target.temporary(), self.is_durable());
        let (log, fold) = Log::stage(&*self.fs, &temporary, self.id, &[record], durable)?;
        place_journal(&*self.fs, &self.target, &log, old)?;
        Ok((Some(log), fold))
    }

    fn empty_part(&self, source: Option<&dyn FsFile>, size: Option<u64>) -> Result<(), PartError> {
        let path = self.target.part();
        self.file.set_len(0).map_err(PartError::io("truncate", &path))?;
        self.expect_beyond(&[], source, size)?;
        if self.is_durable() {
            self.file.sync_all().map_err(PartError::io("sync", &path))?;
        }
        self.sync_directory()
    }

    pub(super) fn sync_directory(&self) -> Result<(), PartError> {
        if !self.is_durable() {
            return Ok(());
        }
        let path = self.target.path();
        self.fs.sync_dir(parent_dir(path)).map_err(PartError::io("sync the directory of", path))
    }
}
