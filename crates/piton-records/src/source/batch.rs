//! Batches: one buffer and the ends of its records, so that a record costs no allocation.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::coded::Trace;
use super::identity::TAIL;
use crate::framing::Framing;

/// How much is read at a time: what fits a core's cache beside the rest.
pub(super) const READ: usize = 128 << 10;
/// How much is read at a time of a unit that is larger.
const MOST: usize = 16 << 20;

/// One buffer, and where its records end.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    /// So many bytes of it were read; behind that is room.
    pub(crate) filled: usize,
    /// Where its first byte is in the source.
    pub(crate) base: u64,
    /// Where its first record begins; before that are the bytes that the position is known by.
    pub(crate) start: usize,
    /// The end of each record, from the start of the buffer.
    pub(crate) ends: Vec<usize>,
    /// So many of these records count; those behind them come again in the next batch.
    pub(crate) taken: usize,
    pub(crate) framing: Framing,
    /// Whether the last record has no end: the source ends within it.
    pub(super) open_end: bool,
    /// The hash of everything before `start`, if it is to be verified.
    pub(super) hash: Option<Sha256>,
    /// Of a compressed source: where decoding can start for the positions in this batch.
    pub(super) trace: Option<Arc<Trace>>,
}

/// What a batch has at least, unless the source ends: so large is the unit that is processed as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// So many records.
    Records(usize),
    /// Records until they have so many bytes.
    Bytes(u64),
}

impl Unit {
    /// The records of the unit that begins with record `index`, at byte `start`. `None`: its end is not here.
    pub(crate) fn end(self, ends: &[usize], index: usize, start: usize) -> Option<usize> {
        match self {
            Self::Records(count) => {
                Some(index.saturating_add(count)).filter(|end| *end <= ends.len())
            }
            Self::Bytes(bytes) => {
                let wanted = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(start);
                let rest = ends.get(index..)?;
                let at = rest.partition_point(|end| *end < wanted);
                (at < rest.len()).then_some(index + at + 1)
            }
        }
    }

    /// How many of the records of a batch belong to whole units. `None`: not even one is whole.
    pub(super) fn whole(self, batch: &Batch) -> Option<usize> {
        if let Self::Records(count) = self {
            let taken = batch.ends.len() / count.max(1) * count.max(1);
            return (taken > 0).then_some(taken);
        }
        let (mut taken, mut start) = (0, batch.start);
        while let Some(end) = self.end(&batch.ends, taken, start) {
            (taken, start) = (end, batch.ends.get(end - 1).copied().unwrap_or(start));
        }
        (taken > 0).then_some(taken)
    }

    /// How much is read at a time while `have` bytes of a unit are here.
    pub(super) fn read(self, have: usize) -> usize {
        match self {
            Self::Records(_) => READ,
            Self::Bytes(bytes) => {
                usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(have).clamp(READ, MOST)
            }
        }
    }
}

impl Batch {
    pub(crate) fn empty(framing: Framing) -> Self {
        Self {
            bytes: Vec::new(),
            filled: 0,
            base: 0,
            start: 0,
            ends: Vec::new(),
            taken: 0,
            framing,
            open_end: false,
            hash: None,
            trace: None,
        }
    }

    /// Where the last of its records that count ends.
    pub(super) fn end(&self) -> usize {
        let last = self.taken.checked_sub(1).and_then(|last| self.ends.get(last));
        last.copied().unwrap_or(self.start)
    }

    /// Where the bytes begin that the next batch needs.
    fn kept_from(&self) -> usize {
        self.end().saturating_sub(TAIL)
    }

    /// The bytes before `from` are gone, and what was done is behind us.
    fn drop_done(&mut self, from: usize) {
        let end = self.end();
        self.open_end &= end == self.filled;
        self.ends.drain(..self.taken.min(self.ends.len()));
        self.ends.iter_mut().for_each(|end| *end -= from);
        self.filled -= from;
        self.base += from as u64;
        (self.start, self.taken) = (end - from, 0);
    }

    /// The hash of everything before this place of the buffer.
    pub(super) fn hash_up_to(&self, at: usize) -> Option<Sha256> {
        self.hash.clone().map(|mut hash| {
            hash.update(self.bytes.get(self.start..at).unwrap_or_default());
            hash
        })
    }

    /// Room for so many bytes more, behind what was read.
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let end = self.filled + wanted;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// What was read of it.
    pub(super) fn read(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

/// What the next batch begins with, in the same buffer: what is not done, and the bytes before the position.
pub(super) fn advance(mut batch: Batch) -> Batch {
    let from = batch.kept_from();
    batch.hash = batch.hash_up_to(batch.end());
    batch.bytes.copy_within(from..batch.filled, 0);
    batch.drop_done(from);
    batch
}

/// The same in a buffer of its own.
pub(super) fn advance_into(batch: &Batch, mut buffer: Vec<u8>) -> Batch {
    let from = batch.kept_from();
    let kept = batch.bytes.get(from..batch.filled).unwrap_or_default();
    if buffer.len() < kept.len() {
        buffer.resize(kept.len(), 0);
    }
    buffer.get_mut(..kept.len()).unwrap_or_default().copy_from_slice(kept);
    let hash = batch.hash_up_to(batch.end());
    let (ends, trace) = (batch.ends.clone(), batch.trace.clone());
    let mut next = Batch { bytes: buffer, ends, hash: None, trace, ..*batch };
    next.drop_done(from);
    Batch { hash, ..next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_end_at_the_first_record_that_fills_them() {
        let ends = [3, 6, 9, 12, 20];
        assert_eq!(Unit::Bytes(6).end(&ends, 0, 0), Some(2));
        assert_eq!(Unit::Bytes(7).end(&ends, 0, 0), Some(3));
        assert_eq!(Unit::Bytes(7).end(&ends, 3, 9), Some(5));
        assert_eq!(Unit::Bytes(12).end(&ends, 3, 9), None);
        assert_eq!(Unit::Records(2).end(&ends, 3, 9), Some(5));
        assert_eq!(Unit::Records(3).end(&ends, 3, 9), None);
    }

    #[test]
    fn only_whole_units_count() {
        let batch = Batch { ends: vec![3, 6, 9, 12, 20], ..Batch::empty(Framing::LINES) };
        assert_eq!(Unit::Bytes(7).whole(&batch), Some(5));
        assert_eq!(Unit::Bytes(12).whole(&batch), Some(4));
        assert_eq!(Unit::Bytes(21).whole(&batch), None);
        assert_eq!(Unit::Records(2).whole(&batch), Some(4));
    }
}
