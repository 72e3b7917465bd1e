//! Bytes and claims, between two checkpoints.

use std::io;
use std::ops::Range;

use super::{Extent, Part, PartError, guard};
use crate::fs::{FsFile, read_full_at, write_all_at};
use crate::journal::Record;

impl Part {
    /// Writes all of `buf` at `offset` of the part. Not believed after a crash until claimed.
    ///
    /// Bytes that are claimed may be written over only with the same bytes; for others
    /// [`Part::forget`] comes first.
    ///
    /// # Errors
    /// Some of `buf` may have been written. A full disk does not poison the part: claims stay valid.
    pub fn write(&self, buf: &[u8], offset: u64) -> Result<(), PartError> {
        self.check()?;
        self.reserve_for(offset..offset.saturating_add(buf.len() as u64))
            .and_then(|()| write_all_at(&*self.file, buf, offset))
            .map_err(PartError::io("write", &self.target.part()))
    }

    /// Has the bytes of `range` in common with `source`, which keeps its own when either changes
    /// ([`FsFile::share_from`]). They take up no space, so none is reserved. `false`: not possible, nothing changed.
    /// For the rest as [`Part::write`]: claim what [`Part::read`] then reads, not what `source` has by then.
    ///
    /// # Errors
    /// As [`Part::write`]. It may lie with `source` as well.
    pub fn share_from(&self, source: &dyn FsFile, range: Range<u64>) -> Result<bool, PartError> {
        self.check()?;
        let shared = self.file.share_from(source, range.clone());
        let shared = shared.map_err(PartError::io("write", &self.target.part()))?;
        if shared {
            self.note_shared(range);
        }
        Ok(shared)
    }

    /// Copies the bytes of `range` from the same place of `source` by the system ([`FsFile::copy_from`]). Returns how
    /// many; fewer where `source` ends or the system does not copy between these files. For the rest as
    /// [`Part::share_from`].
    ///
    /// # Errors
    /// As [`Part::write`]. It may lie with `source` as well.
    pub fn copy_from(&self, source: &dyn FsFile, range: Range<u64>) -> Result<u64, PartError> {
        self.check()?;
        self.reserve_for(range.clone())
            .and_then(|()| copy_all(&*self.file, source, range))
            .map_err(PartError::io("write", &self.target.part()))
    }

    /// Reads at `offset` of the part; fills `buf` as far as the part goes.
    ///
    /// # Errors
    /// Where the system cannot read.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, PartError> {
        read_full_at(&*self.file, buf, offset).map_err(PartError::io("read", &self.target.part()))
    }

    /// Appends `Written` to the journal, without a sync: survives a kill, not a power cut.
    /// Its bytes must have been written before. An older claim that it overlaps is dropped whole.
    ///
    /// # Errors
    /// The claim is not made; the journal still ends with its last good record, or the part is
    /// poisoned. An empty or impossible extent is refused (`InvalidInput`).
    pub fn claim(&self, extent: Extent) -> Result<(), PartError> {
        self.record(Record::Written(extent))
    }

    /// Asks the system to start writing these bytes to the disk; a hint before a checkpoint.
    pub fn start_writeback(&self, range: Range<u64>) {
        self.file.start_writeback(range.start, range.end.saturating_sub(range.start));
    }

    /// Replaces the description of the download (durable at the next checkpoint). At most
    /// [`MAX_PAYLOAD`](crate::journal::MAX_PAYLOAD) bytes.
    ///
    /// # Errors
    /// As [`Part::claim`].
    pub fn put_meta(&self, meta: &[u8]) -> Result<(), PartError> {
        self.record(Record::Meta(meta.to_vec()))
    }

    /// Saves a hash state of this kind (durable at the next checkpoint). At most
    /// [`MAX_HASH_STATE`](crate::journal::MAX_HASH_STATE) bytes. The bytes it covers should have been
    /// claimed before.
    ///
    /// # Errors
    /// As [`Part::claim`].
    pub fn put_hash(&self, kind: u8, state: &[u8]) -> Result<(), PartError> {
        self.record(Record::Hash { kind, state: state.to_vec() })
    }

    /// Takes back every claim on these bytes (they will be fetched again), and every hash state.
    /// Claims that reach beyond the range are dropped whole: [`Part::extents`] says what is left.
    ///
    /// Once this has returned, no crash brings the claims back: other bytes may be written there.
    ///
    /// # Errors
    /// The part is poisoned.
    pub fn forget(&self, range: Range<u64>) -> Result<(), PartError> {
        if range.is_empty() {
            return Ok(());
        }
        let _turn = guard(&self.turn);
        // The record is enough for a kill. The new journal, which has no trace of the claims, is for
        // the power cut, and for the bit that flips in that one record.
        self.check()?;
        self.record_in_turn(Record::Forget(range))
            .and_then(|()| Ok(self.compact()?))
            .map_err(|error| self.poisoned(error))
    }

    /// What is claimed now, in order, never overlapping.
    pub fn extents(&self) -> Vec<Extent> {
        self.state().fold.claims.extents()
    }
}

/// Copies as many of these bytes as the system does, over as many calls as it takes; returns how many.
fn copy_all(to: &dyn FsFile, from: &dyn FsFile, range: Range<u64>) -> io::Result<u64> {
    let mut at = range.start;
    while at < range.end {
        match to.copy_from(from, at..range.end) {
            Ok(None | Some(0)) => break,
            Ok(Some(copied)) => at = at.saturating_add(copied).min(range.end),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at.saturating_sub(range.start))
}
