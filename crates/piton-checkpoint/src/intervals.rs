//! Sets of positions.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of positions, kept as half-open ranges that neither overlap nor touch.
///
/// Memory grows with the number of ranges, never with the positions in them (G8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntervalSet {
    /// start → end
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl IntervalSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many positions are in the set.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Adds a range. Returns how many of its positions were new.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let before = self.len;
        let (mut start, mut end) = (range.start, range.end);
        // The new range absorbs those that it overlaps or touches, from the right.
        while let Some((&s, &e)) = self.ranges.range(..=end).next_back() {
            if e < start {
                break;
            }
            start = start.min(s);
            end = end.max(e);
            self.ranges.remove(&s);
            self.len -= e - s;
        }
        self.ranges.insert(start, end);
        self.len += end - start;
        self.len - before
    }

    /// Removes a range. Returns how many positions that removed.
    pub fn remove(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let before = self.len;
        while let Some((&s, &e)) = self.ranges.range(..range.end).next_back() {
            if e <= range.start {
                break;
            }
            self.ranges.remove(&s);
            self.len -= e - s;
            if s < range.start {
                self.ranges.insert(s, range.start);
                self.len += range.start - s;
            }
            if e > range.end {
                self.ranges.insert(range.end, e);
                self.len += e - range.end;
            }
        }
        before - self.len
    }

    /// Whether the whole range is in the set.
    pub fn covers(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.end_of_run(range.start).is_some_and(|end| end >= range.end)
    }

    /// Where the run of positions that holds `at` begins, if `at` is in the set.
    pub fn start_of_run(&self, at: u64) -> Option<u64> {
        self.ranges.range(..=at).next_back().filter(|&(_, &end)| end > at).map(|(&start, _)| start)
    }

    /// Where the run of positions that holds `at` ends, if `at` is in the set.
    pub fn end_of_run(&self, at: u64) -> Option<u64> {
        self.ranges.range(..=at).next_back().map(|(_, &end)| end).filter(|&end| end > at)
    }

    /// The ranges of the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// The parts of `within` that are not in the set, in order.
    pub fn gaps(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut at = self.end_of_run(within.start).unwrap_or(within.start);
        std::iter::from_fn(move || {
            if at >= within.end {
                return None;
            }
            let start = at;
            let (end, next) = match self.ranges.range(start..within.end).next() {
                Some((&s, &e)) => (s, e),
                None => (within.end, within.end),
            };
            at = next;
            Some(start..end)
        })
    }
}

impl FromIterator<Range<u64>> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(Range<u64>),
        Remove(Range<u64>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let range = (0u64..64, 0u64..16).prop_map(|(start, len)| start..start + len);
        prop::collection::vec(
            prop_oneof![range.clone().prop_map(Step::Insert), range.prop_map(Step::Remove)],
            0..40,
        )
    }

    proptest! {
        #[test]
        fn agrees_with_a_bitmap(steps in steps()) {
            let mut set = IntervalSet::new();
            let mut model = [false; 96];
            for step in steps {
                let (range, value) = match &step {
                    Step::Insert(r) => (r.clone(), true),
                    Step::Remove(r) => (r.clone(), false),
                };
                let changed = range.clone().filter(|&i| model[i as usize] != value).count() as u64;
                range.clone().for_each(|i| model[i as usize] = value);
                let reported = if value { set.insert(range) } else { set.remove(range) };
                prop_assert_eq!(reported, changed);
            }
            prop_assert_eq!(set.len(), model.iter().filter(|&&b| b).count() as u64);
            for at in 0..96u64 {
                prop_assert_eq!(set.covers(at..at + 1), model[at as usize]);
            }
            let missing: u64 = set.gaps(3..90).map(|g| g.end - g.start).sum();
            prop_assert_eq!(missing, model[3..90].iter().filter(|&&b| !b).count() as u64);
            prop_assert!(set.gaps(3..90).all(|g| g.clone().all(|i| !model[i as usize])));
            let runs: Vec<_> = set.iter().collect();
            prop_assert!(runs.windows(2).all(|w| w[0].end < w[1].start), "{:?}", runs);
        }
    }
}
