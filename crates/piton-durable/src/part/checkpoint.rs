//! Making claims survive a power cut, and compaction (`docs/journal-format.md`, steps 3 and 5).

use super::names::place_journal;
use super::{Part, PartError, guard};
use crate::journal::Record;
use crate::journal::log::{AppendError, Log};
use crate::replace::{StageError, StageStep};
use crate::room::is_full;

impl Part {
    /// Step 3: fdatasyncs the part, appends `Synced` for all claimed before this call,
    /// fdatasyncs the journal. Afterwards those survive a power cut. Compacts the journal if it has grown enough.
    /// After an error the part is poisoned: every later call except reads fails with the same error.
    ///
    /// Writes and claims continue meanwhile. With [`Durability::Process`](super::Durability::Process)
    /// nothing is synced, and so nothing is recorded as synced.
    ///
    /// # Errors
    /// Nothing since the last good checkpoint may be trusted (G7). [`PartError::Exchanged`]: somebody
    /// removed the part or its journal, or put another file in its place.
    pub fn checkpoint(&self) -> Result<(), PartError> {
        let _turn = guard(&self.turn);
        self.check()?;
        self.check_names()
            .and_then(|()| self.sync_claims())
            .and_then(|()| self.sync_journal())
            .and_then(|()| self.compact_if_it_pays())
            .map_err(|error| self.poisoned(error))
    }

    /// Syncs the part and appends `Synced` for what was claimed before.
    fn sync_claims(&self) -> Result<(), PartError> {
        let Some(through) = self.unsynced() else { return Ok(()) };
        // Without the mutex: writers do not wait. Their claims have numbers above `through`.
        self.file.sync_data().map_err(PartError::io("sync", &self.target.part()))?;
        self.synced(through)
    }

    /// The first half of [`Part::checkpoint`], with the metadata of the part, and whether or not anything
    /// was claimed.
    pub(super) fn sync_whole(&self) -> Result<(), PartError> {
        if !self.is_durable() {
            return Ok(());
        }
        let through = self.unsynced();
        self.file.sync_all().map_err(PartError::io("sync", &self.target.part()))?;
        through.map_or(Ok(()), |through| self.synced(through))
    }

    /// The last record that a sync now would cover, if any claim is not synced yet.
    fn unsynced(&self) -> Option<u64> {
        let through = match &*self.state() {
            state if state.fold.newest_claim <= state.fold.synced_through => None,
            state => state.log.as_ref().map(Log::sequence),
        };
        through.filter(|_| self.is_durable())
    }

    /// Records that the claims of records up to `through` were synced.
    fn synced(&self, through: u64) -> Result<(), PartError> {
        self.record_in_turn(Record::Synced { through })
    }

    pub(super) fn sync_journal(&self) -> Result<(), PartError> {
        if !self.is_durable() {
            return Ok(());
        }
        let dirty = self.state().log.as_mut().and_then(Log::take_dirty);
        match dirty {
            Some(file) => file.sync_data().map_err(PartError::io("sync", &self.target.journal())),
            None => Ok(()),
        }
    }

    fn compact_if_it_pays(&self) -> Result<(), PartError> {
        let pays = self.state().log.as_ref().is_some_and(Log::compaction_pays);
        match pays {
            true => self.compact_if_there_is_room(),
            false => Ok(()),
        }
    }

    pub(super) fn compact_if_there_is_room(&self) -> Result<(), PartError> {
        match self.compact() {
            Err(CompactError::NoRoom(_)) => {
                if let Some(log) = &mut self.state().log {
                    log.postpone_compaction();
                }
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Replaces the journal by the shortest one of the same meaning (step 5). The caller holds
    /// `turn`; claims continue, and are carried over.
    pub(super) fn compact(&self) -> Result<(), CompactError> {
        let records = {
            let mut state = self.state();
            if state.log.is_none() {
                return Ok(());
            }
            state.since_compaction = Some(Vec::new());
            state.fold.records(self.is_durable())
        };
        let temporary = self.target.temporary();
        let staged = Log::stage(&*self.fs, &temporary, self.id, &records, self.is_durable());

        let mut state = self.state();
        let since = state.since_compaction.take().unwrap_or_default();
        let (mut log, mut fold) = staged?;
        for record in since {
            let sequence = log.append(&record).map_err(|error| match error {
                AppendError::Refused(source) if is_full(&source) => {
                    CompactError::NoRoom(PartError::io("write", &temporary)(source))
                }
                error => CompactError::Failed(self.append_error(error)),
            })?;
            fold.apply(sequence, &record);
        }
        let old = state.log.as_ref().map(Log::id);
        place_journal(&*self.fs, &self.target, &log, old)?;
        state.log = Some(log);
        state.fold = fold;
        drop(state);
        Ok(self.sync_directory()?)
    }
}

/// Why a journal was not compacted.
#[derive(Debug)]
pub(super) enum CompactError {
    /// The disk is too full for a second journal. The old one is as good as before.
    NoRoom(PartError),
    /// Anything else. The part must not be used any more.
    Failed(PartError),
}

impl From<StageError> for CompactError {
    fn from(error: StageError) -> Self {
        // A sync that reports a full disk has failed like any other (G7).
        let is_unwritten = matches!(error.step, StageStep::Create | StageStep::Write);
        match is_unwritten && is_full(&error.source) {
            true => Self::NoRoom(error.into()),
            false => Self::Failed(error.into()),
        }
    }
}

impl From<PartError> for CompactError {
    fn from(error: PartError) -> Self {
        Self::Failed(error)
    }
}

impl From<CompactError> for PartError {
    fn from(error: CompactError) -> Self {
        match error {
            CompactError::NoRoom(error) | CompactError::Failed(error) => error,
        }
    }
}
