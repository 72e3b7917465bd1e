//! What is processed in pieces.

use std::collections::BTreeSet;

use super::letters::Letter;
use super::worker::Failed;
use piton_durable::crc::crc64;

use crate::error::Error;
use crate::state::SourceState;

/// A part of a source that is processed as one.
pub(crate) trait Piece: Clone + Send + Sync + 'static {
    /// Where it begins, in the unit of the source's position.
    fn start(&self) -> u64;
    /// Where the next one begins.
    fn end(&self) -> u64;
    /// Records in it.
    fn records(&self) -> u64;
    /// The number of its first record, from 1.
    fn line(&self) -> u64;
    /// Why it cannot be processed at all.
    fn refused(&self) -> Option<String> {
        None
    }
    /// It failed.
    fn letter(&self, failed: &Failed, attempts: u32) -> Letter;
    /// A CRC-64 of what it holds.
    fn key(&self) -> u64;
    /// Its first and its second half; `None` for a single record.
    fn halves(&self) -> Option<(Self, Self)>;
}

/// The key of a piece at its place. Those of several pieces are combined by exclusive or, in any order.
pub(crate) fn mixed(piece: &impl Piece) -> u64 {
    mixed_of(piece.start(), piece.end(), piece.key())
}

/// The same from where it begins and ends, and the CRC-64 of what it holds.
pub(crate) fn mixed_of(start: u64, end: u64, key: u64) -> u64 {
    let mut bytes = [0; 24];
    for (into, from) in bytes.chunks_exact_mut(8).zip([start, end, key]) {
        into.copy_from_slice(&from.to_le_bytes());
    }
    crc64(&bytes)
}

/// A source, piece by piece. Where pieces end depends on the source alone, so that they are the same in every run.
pub(crate) trait Plan {
    type Piece: Piece;
    /// What is known of the source up to the end of a piece.
    type Behind: Clone;

    /// Pieces also end at these places, where a record ends there.
    fn end_at(&mut self, ends: BTreeSet<u64>);
    /// The next piece. After an error there are no more.
    fn next(&mut self) -> Result<Option<Self::Piece>, Error>;
    /// What is known of the source up to the end of this piece.
    fn behind(&self, piece: &Self::Piece) -> Self::Behind;
    /// The position and the number of records that this stands for.
    fn position(&self, behind: &Self::Behind) -> (u64, u64);
    /// The same for a commit.
    fn state(&mut self, behind: &Self::Behind) -> Result<SourceState, Error>;
    /// What was processed from here to there is not what is there now.
    fn changed(&self, from: u64, to: u64) -> Error;
    /// Where the source ends, if that is known.
    fn whole(&self) -> Option<u64>;
}
