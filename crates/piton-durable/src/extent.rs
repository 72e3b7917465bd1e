//! Extents: which bytes of a part the journal claims.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::crc;

/// Merging stops at this many bytes, so that one bad byte never costs more.
const MERGED_LEN: u64 = 1 << 20;

/// Beyond this many merged extents they get longer instead of more, so that the journal and the memory
/// of a part do not grow with its size (G8).
const MERGED_COUNT: u64 = 32_768;

/// Bytes of the part that a journal record claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub start: u64,
    /// Bytes; never 0.
    pub len: u64,
    /// CRC32C of the bytes.
    pub crc: u32,
}

impl Extent {
    /// The bytes, as a range. An end beyond what a `u64` holds is cut off there.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start.saturating_add(self.len)
    }

    /// Whether this can be bytes of a file: not empty, and its end is a possible position.
    pub(crate) fn is_possible(&self) -> bool {
        self.len > 0 && self.start.checked_add(self.len).is_some_and(|end| end <= i64::MAX as u64)
    }
}

/// The claimed extents, in order, never overlapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    by_start: BTreeMap<u64, StoredClaim>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StoredClaim {
    len: u64,
    crc: u32,
    sequence: u64,
}

impl Claims {
    /// Claims `extent` by the record `sequence`. Older claims that it overlaps are dropped whole:
    /// their CRC says nothing about what is left of them. Returns whether there were any.
    pub(crate) fn insert(&mut self, extent: Extent, sequence: u64) -> bool {
        let dropped = self.remove(&extent.range());
        let Extent { start, len, crc } = extent;
        self.by_start.insert(start, StoredClaim { len, crc, sequence });
        dropped
    }

    /// Drops every claim that has a byte in `range`. Returns whether there were any.
    pub(crate) fn remove(&mut self, range: &Range<u64>) -> bool {
        let mut dropped = false;
        while let Some(start) = self.last_overlapping(range) {
            dropped |= self.by_start.remove(&start).is_some();
        }
        dropped
    }

    fn last_overlapping(&self, range: &Range<u64>) -> Option<u64> {
        let (start, claim) = self.by_start.range(..range.end).next_back()?;
        (start.saturating_add(claim.len) > range.start && !range.is_empty()).then_some(*start)
    }

    /// The extents with the sequence number of the record that claims each.
    pub fn iter(&self) -> impl Iterator<Item = (Extent, u64)> {
        self.by_start.iter().map(|(start, claim)| {
            (Extent { start: *start, len: claim.len, crc: claim.crc }, claim.sequence)
        })
    }

    /// The extents.
    pub fn extents(&self) -> Vec<Extent> {
        self.iter().map(|(extent, _)| extent).collect()
    }
}

/// How long a merged extent of a part with this many bytes may get.
pub(crate) fn longest(bytes: u64) -> u64 {
    (bytes / MERGED_COUNT).max(MERGED_LEN)
}

/// Joins extents that touch, by combining their CRCs. `extents` are in order and do not overlap.
pub(crate) fn merge(extents: impl Iterator<Item = Extent> + Clone) -> Vec<Extent> {
    let bytes = extents.clone().fold(0_u64, |sum, extent| sum.saturating_add(extent.len));
    let limit = longest(bytes);
    let mut merged: Vec<Extent> = Vec::new();
    for next in extents {
        match merged.last_mut() {
            Some(last)
                if last.range().end == next.start && last.len.saturating_add(next.len) <= limit =>
            {
                last.crc = crc::combine(last.crc, next.crc, next.len);
                last.len += next.len;
            }
            _ => merged.push(next),
        }
    }
    merged
}

/// Whether `extents` (in order, not overlapping) hold every byte of the first `len`.
pub(crate) fn cover(extents: &[Extent], len: u64) -> bool {
    let mut end = 0;
    for extent in extents {
        if extent.start != end {
            break;
        }
        end = extent.range().end;
    }
    end >= len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(start: u64, len: u64) -> Extent {
        Extent { start, len, crc: 0 }
    }

    #[test]
    fn an_overlapped_older_extent_is_dropped_whole() {
        let mut claims = Claims::default();
        claims.insert(extent(0, 10), 1);
        claims.insert(extent(10, 10), 2);
        claims.insert(extent(20, 10), 3);
        claims.insert(extent(15, 10), 4);
        assert_eq!(claims.extents(), [extent(0, 10), extent(15, 10)]);
        claims.remove(&(10..15));
        claims.remove(&(12..12));
        assert_eq!(claims.extents(), [extent(0, 10), extent(15, 10)]);
        claims.remove(&(9..16));
        assert_eq!(claims.extents(), []);
    }

    #[test]
    fn merged_extents_stay_short_and_few() {
        let mib = 1 << 20;
        let small = merge((0..16).map(|i| extent(i * mib / 4, mib / 4)));
        assert_eq!(small.iter().map(|extent| extent.len).collect::<Vec<_>>(), [mib; 4]);
        let apart = merge((0..4).map(|i| extent(i * 10, 5)));
        assert_eq!(apart.len(), 4);
        let tib = merge((0..1_000_000).map(|i| extent(i * mib, mib)));
        assert!(tib.len() <= 65_536, "{}", tib.len());
    }

    #[test]
    fn a_gap_is_not_covered() {
        assert!(cover(&[], 0));
        assert!(!cover(&[], 1));
        assert!(cover(&[extent(0, 5), extent(5, 5)], 10));
        assert!(!cover(&[extent(0, 5), extent(6, 5)], 10));
        assert!(!cover(&[extent(1, 5)], 5));
    }
}
