//! Counts of the items that may repeat: sorted, 12 bytes each.

use super::seen::share;

/// Collects the fingerprints of items that may repeat.
#[derive(Debug, Default)]
pub(super) struct Collector {
    fingerprints: Vec<u64>,
    /// The number of different ones at the last count.
    distinct: usize,
}

impl Collector {
    const SLACK: usize = 1 << 16;

    /// An item that appears a million times takes one entry, and some space until that is noticed.
    pub(super) fn add(&mut self, fingerprint: u64) {
        self.fingerprints.push(fingerprint);
        if self.fingerprints.len() >= self.distinct.saturating_mul(2).saturating_add(Self::SLACK) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.fingerprints.sort_unstable();
        self.fingerprints.dedup();
        self.distinct = self.fingerprints.len();
    }

    /// The counts to continue with, from those `counted` so far.
    pub(super) fn finish(mut self, counted: impl Fn(u64) -> u32) -> Repeats {
        self.settle();
        self.fingerprints.shrink_to_fit();
        let counts = self.fingerprints.iter().map(|fingerprint| counted(*fingerprint)).collect();
        Repeats { fingerprints: self.fingerprints, counts }
    }
}

/// How often each item that may repeat has appeared.
#[derive(Debug)]
pub(super) struct Repeats {
    fingerprints: Vec<u64>,
    counts: Vec<u32>,
}

impl Repeats {
    /// How often it appeared before; counts it. An item that does not repeat: 0.
    pub(super) fn count(&mut self, fingerprint: u64) -> u32 {
        let Some(at) = self.find(fingerprint) else { return 0 };
        let Some(count) = self.counts.get_mut(at) else { return 0 };
        let before = *count;
        *count = count.saturating_add(1);
        before
    }

    /// Fingerprints are spread evenly, so each is not far from its share of the whole. From that place, the
    /// range to search is widened until the fingerprint must be in it.
    fn find(&self, fingerprint: u64) -> Option<usize> {
        let all = self.fingerprints.as_slice();
        let guess = share(fingerprint, all.len());
        let mut reach = 16_usize;
        loop {
            let low = guess.saturating_sub(reach);
            let high = guess.saturating_add(reach).min(all.len());
            let part = all.get(low..high)?;
            let begins_before = low == 0 || part.first().is_some_and(|first| *first <= fingerprint);
            let ends_after =
                high == all.len() || part.last().is_some_and(|last| *last >= fingerprint);
            if begins_before && ends_after {
                return part.binary_search(&fingerprint).ok().map(|at| low.saturating_add(at));
            }
            reach = reach.saturating_mul(4);
        }
    }
}
