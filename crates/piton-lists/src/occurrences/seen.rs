//! Counts of all items, up to a number: an open-addressing table of 12 bytes per place.

/// Fingerprints and how often each came. The place of a fingerprint is where its value stands among all
/// values there are, or the next free one.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// 0 is a free place.
    fingerprints: Vec<u64>,
    counts: Vec<u32>,
    len: usize,
}

impl Seen {
    const FEWEST_PLACES: usize = 1024;

    /// How often it came before, and counts it. `None`, and nothing is counted, if it is new and there are
    /// `limit` already.
    pub(super) fn count(&mut self, fingerprint: u64, limit: usize) -> Option<u32> {
        // At most four fifths are taken, so that a search is short.
        if self.len.saturating_mul(5) >= self.fingerprints.len().saturating_mul(4) {
            self.grow(limit);
        }
        let (at, known) = self.find(fingerprint)?;
        if !known {
            if self.len >= limit {
                return None;
            }
            self.len = self.len.saturating_add(1);
            *self.fingerprints.get_mut(at)? = stored(fingerprint);
        }
        let count = self.counts.get_mut(at)?;
        let before = *count;
        *count = count.saturating_add(1);
        Some(before)
    }

    /// How often it came.
    pub(super) fn get(&self, fingerprint: u64) -> u32 {
        match self.find(fingerprint) {
            Some((at, true)) => self.counts.get(at).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Where it is, or where it would be. `None` only if there is no free place.
    fn find(&self, fingerprint: u64) -> Option<(usize, bool)> {
        let wanted = stored(fingerprint);
        let home = share(fingerprint, self.fingerprints.len());
        let places = self.fingerprints.iter().enumerate();
        let (before, after) = (places.clone().take(home), places.skip(home));
        for (at, there) in after.chain(before) {
            match *there {
                0 => return Some((at, false)),
                there if there == wanted => return Some((at, true)),
                _ => {}
            }
        }
        None
    }

    /// Twice as many places, but not many more than `limit` needs.
    fn grow(&mut self, limit: usize) {
        let enough = limit.saturating_add(limit / 4).saturating_add(2);
        let places = self.fingerprints.len().saturating_mul(2);
        let places = places.max(Self::FEWEST_PLACES).min(enough);
        if places <= self.fingerprints.len() {
            return;
        }
        let new = Seen { fingerprints: vec![0; places], counts: vec![0; places], len: self.len };
        let old = std::mem::replace(self, new);
        for (fingerprint, count) in old.fingerprints.into_iter().zip(old.counts) {
            if fingerprint != 0
                && let Some((at, _)) = self.find(fingerprint)
                && let (Some(place), Some(counted)) =
                    (self.fingerprints.get_mut(at), self.counts.get_mut(at))
            {
                (*place, *counted) = (fingerprint, count);
            }
        }
    }
}

/// 0 stands for a free place; that it shares its count with 1 has the chance of a collision.
fn stored(fingerprint: u64) -> u64 {
    fingerprint.max(1)
}

/// Where a number stands among all 64-bit numbers, on a scale of `len`; below `len`, unless that is 0.
pub(super) fn share(number: u64, len: usize) -> usize {
    let scaled = (u128::from(number) * len as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}
