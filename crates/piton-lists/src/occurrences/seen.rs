//! Counts of all items, up to a limit: an open-addressing table of 12 bytes per slot.

/// Fingerprints and how often each repeated. The slot of a fingerprint is where its value lies among all
/// possible values, or the next free one.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// 0 is a free slot.
    fingerprints: Vec<u64>,
    /// One less than how often it appeared: nothing is written here for most items.
    repeats: Vec<u32>,
    len: usize,
}

impl Seen {
    const FEWEST_PLACES: usize = 1024;

    /// How often it appeared before; counts it. `None`, without counting, if it is new and there are
    /// already `limit` entries.
    pub(super) fn count(&mut self, fingerprint: u64, limit: usize) -> Option<u32> {
        // At most four fifths are taken, so that a search is short.
        if self.len.saturating_mul(5) >= self.fingerprints.len().saturating_mul(4) {
            self.grow(limit);
        }
        let at = self.find(fingerprint)?;
        let place = self.fingerprints.get_mut(at)?;
        if *place != 0 {
            let repeats = self.repeats.get_mut(at)?;
            *repeats = repeats.saturating_add(1);
            return Some(*repeats);
        }
        if self.len >= limit {
            return None;
        }
        self.len = self.len.saturating_add(1);
        *place = stored(fingerprint);
        Some(0)
    }

    /// How often it appeared.
    pub(super) fn get(&self, fingerprint: u64) -> u32 {
        let at = self.find(fingerprint);
        let known = at.filter(|at| self.fingerprints.get(*at).is_some_and(|there| *there != 0));
        known.and_then(|at| self.repeats.get(at)).map_or(0, |repeats| repeats.saturating_add(1))
    }

    /// Its slot, or the free slot where it would go. `None` only if there is neither.
    fn find(&self, fingerprint: u64) -> Option<usize> {
        let wanted = stored(fingerprint);
        let home = share(fingerprint, self.fingerprints.len());
        let is_it = |there: &u64| *there == 0 || *there == wanted;
        let (before, after) = self.fingerprints.split_at_checked(home)?;
        match after.iter().position(is_it) {
            Some(distance) => home.checked_add(distance),
            None => before.iter().position(is_it),
        }
    }

    /// Doubles the number of slots, but not far beyond what `limit` needs.
    fn grow(&mut self, limit: usize) {
        let enough = limit.saturating_add(limit / 4).saturating_add(2);
        let places = self.fingerprints.len().saturating_mul(2);
        let places = places.max(Self::FEWEST_PLACES).min(enough);
        if places <= self.fingerprints.len() {
            return;
        }
        let new = Seen { fingerprints: vec![0; places], repeats: vec![0; places], len: self.len };
        let old = std::mem::replace(self, new);
        for (fingerprint, count) in old.fingerprints.into_iter().zip(old.repeats) {
            if fingerprint == 0 {
                continue;
            }
            let Some(at) = self.find(fingerprint) else { continue };
            if let Some(place) = self.fingerprints.get_mut(at) {
                *place = fingerprint;
            }
            if count > 0
                && let Some(repeats) = self.repeats.get_mut(at)
            {
                *repeats = count;
            }
        }
    }
}

/// 0 marks a free slot; sharing a count with 1 is as likely as any collision.
fn stored(fingerprint: u64) -> u64 {
    fingerprint.max(1)
}

/// The position of a number among all 64-bit numbers, on a scale of `len`; below `len`, unless that is 0.
pub(super) fn share(number: u64, len: usize) -> usize {
    let scaled = (u128::from(number) * len as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}
