//! Some lines of a done file, by their hashes.

use std::hash::{BuildHasher, RandomState};

/// Hashes per slot of the index: a search looks at a few adjacent ones.
const SPREAD: usize = 8;

/// A set of lines, and which of them were found. Lines are compared by a 64-bit hash with a random key:
/// with ten million lines and ten million items, one in 200,000 such sets confuses two different ones.
pub(super) struct Hashes {
    key: RandomState,
    /// Sorted, without duplicates.
    hashes: Vec<u64>,
    /// Where the hashes of each equal share of the 64-bit numbers begin, and where the last one ends.
    starts: Vec<u32>,
    found: Bits,
}

impl Hashes {
    /// Not more than `u32` can count.
    pub(super) fn of<E>(
        lines: impl Iterator<Item = Result<impl AsRef<str>, E>>,
    ) -> Result<Self, E> {
        let key = RandomState::new();
        let mut hashes =
            lines.map(|line| Ok(key.hash_one(line?.as_ref()))).collect::<Result<Vec<_>, E>>()?;
        hashes.sort_unstable();
        hashes.dedup();
        let shares = (hashes.len() / SPREAD).max(1);
        let (mut starts, mut at) = (Vec::with_capacity(shares.saturating_add(1)), 0);
        for place in 0..shares {
            let before = |hash: &&u64| share(**hash, shares) < place;
            at += hashes.get(at..).unwrap_or_default().iter().take_while(before).count();
            starts.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        starts.push(u32::try_from(hashes.len()).unwrap_or(u32::MAX));
        Ok(Self { key, hashes, starts, found: Bits::default() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether the set contains a line; records that it was found.
    pub(super) fn find(&mut self, text: &str) -> bool {
        let place = self.place(text);
        if let Some(place) = place {
            self.found.set(place);
        }
        place.is_some()
    }

    pub(super) fn was_found(&self, text: &str) -> bool {
        self.place(text).is_some_and(|place| self.found.get(place))
    }

    pub(super) fn all_were_found(&self) -> bool {
        self.found.count() == self.hashes.len()
    }

    fn place(&self, text: &str) -> Option<usize> {
        let hash = self.key.hash_one(text);
        let share = share(hash, self.starts.len().saturating_sub(1));
        let [start, end] = *self.starts.get(share..)?.first_chunk()?;
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        let among = self.hashes.get(start..end)?;
        among.iter().position(|known| *known == hash).and_then(|at| start.checked_add(at))
    }
}

/// The position of a number among all 64-bit numbers, on a scale of `len`.
fn share(number: u64, len: usize) -> usize {
    let scaled = (u128::from(number) * len as u128) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

/// A set of small numbers: one bit for each up to the largest.
#[derive(Debug, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub(super) fn set(&mut self, number: usize) {
        let word = number / 64;
        if word >= self.words.len() {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (number % 64);
        }
    }

    pub(super) fn get(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_is_found_and_nothing_else() {
        for count in [0, 1, 7, 8, 9, 1000, 20_000] {
            let lines = |range: std::ops::Range<u32>| range.map(|n| format!("line {n}"));
            // Each twice.
            let twice = lines(0..count).chain(lines(0..count)).map(Ok::<_, ()>);
            let mut hashes = Hashes::of(twice).unwrap();
            assert_eq!((hashes.is_empty(), hashes.all_were_found()), (count == 0, count == 0));
            assert!(!lines(0..count).any(|line| hashes.was_found(&line)));
            assert!(!lines(count..count + 1000).any(|line| hashes.find(&line)));
            for (n, line) in lines(0..count).enumerate() {
                assert!(
                    !hashes.all_were_found() && hashes.find(&line) && hashes.find(&line),
                    "{n}"
                );
                assert!(hashes.was_found(&line));
            }
            assert!(hashes.all_were_found());
        }
    }
}
