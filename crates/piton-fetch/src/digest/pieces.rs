//! Digests of the pieces of a file: which part of it is bad, not only that one is.

use std::num::NonZeroU64;
use std::ops::{Range, RangeInclusive};

use super::{Algorithm, Digest};

/// Digests of consecutive pieces of a file, all of one length but the last (RFC 5854 section 4.2.10).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pieces {
    length: NonZeroU64,
    digests: Vec<Digest>,
}

impl Pieces {
    /// Pieces of `length` bytes with these digests, in order.
    ///
    /// # Errors
    /// [`PiecesError`] if there are none, or not all of one algorithm.
    pub fn new(length: NonZeroU64, digests: Vec<Digest>) -> Result<Self, PiecesError> {
        let Some(first) = digests.first() else { return Err(PiecesError::None) };
        let algorithm = first.algorithm();
        match digests.iter().find(|digest| digest.algorithm() != algorithm) {
            Some(other) => Err(PiecesError::Mixed { first: algorithm, other: other.algorithm() }),
            None => Ok(Self { length, digests }),
        }
    }

    /// Bytes of each piece but the last.
    pub fn length(&self) -> NonZeroU64 {
        self.length
    }

    /// The digests, in order; at least one.
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// Whether the digests tell the pieces from any other bytes ([`Algorithm::judges`]).
    pub fn judge(&self) -> bool {
        self.digests.iter().all(|digest| digest.algorithm().judges())
    }

    /// Whether a file of `size` bytes has as many pieces as there are digests.
    pub fn fits(&self, size: u64) -> bool {
        size.div_ceil(self.length.get()) == self.digests.len() as u64
    }

    /// The lengths in bytes that a file with as many pieces can have.
    pub fn sizes(&self) -> RangeInclusive<u64> {
        let most = self.length.get().saturating_mul(self.digests.len() as u64);
        most.saturating_sub(self.length.get()).saturating_add(1)..=most
    }

    /// The pieces that have a byte in `range`, whether the file reaches that far or not.
    pub fn touching(&self, range: &Range<u64>) -> Range<u64> {
        let (first, end) = (range.start / self.length, range.end.div_ceil(self.length.get()));
        first..end.max(first)
    }

    /// Where piece `number` of a file of `size` bytes lies; `None` beyond its end.
    pub fn range(&self, number: u64, size: u64) -> Option<Range<u64>> {
        let start = number.checked_mul(self.length.get()).filter(|start| *start < size)?;
        Some(start..start.saturating_add(self.length.get()).min(size))
    }
}

/// Why digests cannot be those of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PiecesError {
    /// There is no digest.
    #[error("no digest of a piece")]
    None,
    /// Two algorithms.
    #[error("pieces with {first} and with {other}")]
    Mixed {
        /// The algorithm of the first piece.
        first: Algorithm,
        /// Another one.
        other: Algorithm,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_may_be_short() {
        let digest = Digest::new(Algorithm::Md5, &[0; 16]).unwrap();
        let length = NonZeroU64::new(10).unwrap();
        let pieces = Pieces::new(length, vec![digest.clone(), digest]).unwrap();
        assert_eq!([pieces.fits(10), pieces.fits(11), pieces.fits(20)], [false, true, true]);
        assert_eq!(pieces.sizes(), 11..=20);
        assert_eq!([pieces.touching(&(9..11)), pieces.touching(&(10..20))], [0..2, 1..2]);
        assert_eq!(pieces.range(1, 13), Some(10..13));
        assert_eq!(pieces.range(2, 13), None);
        assert_eq!(pieces.range(u64::MAX, 13), None);
        assert_eq!(Pieces::new(length, Vec::new()), Err(PiecesError::None));
    }
}
