//! Which of several equal items an item is: the first, the second, …
//!
//! A list may name one thing twice, and the ledger must keep the two apart. Remembering every item would
//! cost memory that grows with the list (G8). So only a list of up to about a million different items is
//! counted that way, in one pass. If there are more, the list is read once more from the start, through a
//! filter of fixed size that tells which items may appear more than once; from then on only those are
//! counted.
//!
//! | | bytes |
//! |---|---|
//! | a list of up to 1.4 million different items | 10 to 20 for each that is there once, 15 to 30 for others, 32 MiB at most |
//! | while a longer one is read once more | 52 MiB, and 8 to 16 for each item that repeats |
//! | after that | 12 for each item that repeats |
//!
//! A caller that reads the whole list before it needs the first key takes a [`Census`] on the way, and
//! avoids both the counting and the second reading.
//!
//! The filter reports some items as repeated that are not: about 1 in 20,000 of ten million, half of a
//! hundred million. They cost memory, but change no count.

mod repeats;
mod seen;

use piton_checkpoint::Bloom;

use crate::key::Content;
use repeats::Repeats;
use seen::Seen;

/// Counts equal items of a list, in its order.
#[derive(Debug, Default)]
pub struct Occurrences {
    counts: Counts,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The number of different items that are counted without reading the list once more.
    seen: usize,
    /// Bytes of the filter.
    bloom: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { seen: 1_400_000, bloom: 32 << 20 }
    }
}

#[derive(Debug)]
enum Counts {
    /// Every item so far.
    All(Seen),
    /// Only the items that a complete reading of the list found to repeat.
    Repeating(Repeats),
}

impl Default for Counts {
    fn default() -> Self {
        Counts::All(Seen::default())
    }
}

impl Occurrences {
    /// Nothing has been counted yet.
    pub fn new() -> Occurrences {
        Occurrences::default()
    }

    /// How many items of this content came before; counts this one.
    ///
    /// At some point in a long list, it calls `census`, at most once, which must pass the content of every
    /// item of the *whole* list to the given function, from the first, in any order.
    ///
    /// If the list changes between the two readings, an item that the second one did not see is always the
    /// first of its kind.
    ///
    /// # Errors
    /// That of `census`; in that case nothing was counted.
    pub fn next<E>(
        &mut self,
        content: &Content,
        census: impl FnOnce(&mut dyn FnMut(&Content)) -> Result<(), E>,
    ) -> Result<u32, E> {
        let fingerprint = content.fingerprint();
        if let Counts::All(seen) = &mut self.counts {
            if let Some(before) = seen.count(fingerprint, self.limits.seen) {
                return Ok(before);
            }
            let mut taken = Census::of(self.limits.bloom);
            census(&mut |content| taken.add(content))?;
            self.counts = taken.finish(|fingerprint| seen.get(fingerprint));
        }
        match &mut self.counts {
            Counts::Repeating(repeats) => Ok(repeats.count(fingerprint)),
            Counts::All(_) => Ok(0),
        }
    }
}

/// Finds out which items of a list may appear more than once, in 32 MiB and 8 to 16 bytes for each of them.
#[derive(Debug)]
pub struct Census {
    bloom: Bloom,
    repeats: repeats::Collector,
}

impl Default for Census {
    fn default() -> Self {
        Census::of(Limits::default().bloom)
    }
}

impl Census {
    fn of(bytes: usize) -> Census {
        Census { bloom: Bloom::new(bytes), repeats: repeats::Collector::default() }
    }

    /// The content of an item; each item of the *whole* list must be added, in any order.
    pub fn add(&mut self, content: &Content) {
        let fingerprint = content.fingerprint();
        if self.bloom.insert(fingerprint) {
            self.repeats.add(fingerprint);
        }
    }

    fn finish(self, counted: impl Fn(u64) -> u32) -> Counts {
        drop(self.bloom);
        Counts::Repeating(self.repeats.finish(counted))
    }
}

/// Nothing has been counted yet.
impl From<Census> for Occurrences {
    fn from(census: Census) -> Self {
        Occurrences { counts: census.finish(|_| 0), limits: Limits::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn count(list: &[u64], limits: Limits) -> (Vec<u32>, u32) {
        let mut occurrences = Occurrences { limits, ..Occurrences::new() };
        let mut readings = 0;
        let mut next = |number: &u64| {
            let census = |add: &mut dyn FnMut(&Content)| -> Result<(), Infallible> {
                readings += 1;
                list.iter().for_each(|number| add(&Content::numbered(*number)));
                Ok(())
            };
            occurrences.next(&Content::numbered(*number), census).unwrap()
        };
        let counts = list.iter().map(&mut next).collect();
        (counts, readings)
    }

    fn model(list: &[u64]) -> Vec<u32> {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        let mut next = |number: &u64| {
            let count = counts.entry(*number).or_default();
            *count += 1;
            *count - 1
        };
        list.iter().map(&mut next).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever repeats, whatever the limits, and however bad the filter.
        #[test]
        fn counts_are_those_of_a_map(
            list in proptest::collection::vec(0_u64..60, 0..300),
            seen in 0_usize..70,
            bloom in prop::sample::select(vec![0_usize, 32, 64, 4096]),
        ) {
            let (counts, readings) = count(&list, Limits { seen, bloom });
            prop_assert_eq!(&counts, &model(&list));
            prop_assert!(readings <= 1);

            let mut census = Census::of(bloom);
            list.iter().for_each(|number| census.add(&Content::numbered(*number)));
            let mut occurrences = Occurrences::from(census);
            let never = |_: &mut dyn FnMut(&Content)| Err("read once more");
            let next = |number: &u64| occurrences.next(&Content::numbered(*number), never).unwrap();
            prop_assert_eq!(list.iter().map(next).collect::<Vec<_>>(), counts);
        }
    }

    #[test]
    fn long_lists() {
        let distinct: Vec<u64> = (0..40_000).collect();
        let pairs: Vec<u64> = distinct.iter().chain(&distinct).copied().collect();
        let one: Vec<u64> = vec![7; 100_000];
        for list in [distinct, pairs, one] {
            for seen in [1000, 1_000_000] {
                let (counts, readings) = count(&list, Limits { seen, bloom: 64 << 10 });
                assert_eq!(counts, model(&list));
                let is_long = seen == 1000 && list[0] != 7;
                assert_eq!(readings, u32::from(is_long));
            }
        }
    }

    #[test]
    fn a_census_that_fails_is_told_and_can_be_made_again() {
        let mut occurrences =
            Occurrences { limits: Limits { seen: 1, bloom: 64 }, ..Occurrences::new() };
        let (one, two) = (Content::numbered(1), Content::numbered(2));
        let fine = |add: &mut dyn FnMut(&Content)| {
            [one, two, two].iter().for_each(add);
            Ok(())
        };
        assert_eq!(occurrences.next(&one, |_| Err("not yet")), Ok(0));
        assert_eq!(occurrences.next(&two, |_| Err("torn")), Err("torn"));
        assert_eq!(occurrences.next::<&str>(&two, fine), Ok(0));
        assert_eq!(occurrences.next(&two, |_| Err("not again")), Ok(1));
    }
}
