//! Comparing a file with its source in some places, and what differences mean.
//!
//! The rule: of each run of data the head and the tail are compared. Where the tail differs (zeros after
//! a power cut, space that was reserved), the last place that agrees is searched by halves, and the run
//! ends there. Then random places, one in each of so many equal stretches of what is left, are compared; a
//! difference shortens its run in the same way. Every believed run so begins and ends with a place that
//! agrees, and no difference that was seen lies in it.

use std::ops::Range;

use piton_checkpoint::IntervalSet;

use crate::failure::Failure;

/// Bytes compared in one place.
pub(super) const PLACE: u64 = 64 << 10;

/// Bytes compared by one request where everything is compared.
const PIECE: u64 = 1 << 20;

/// What a file is compared with.
pub(super) trait Source {
    /// The offset of the first byte of `place` that is another one here than there.
    async fn first_difference(&mut self, place: Range<u64>) -> Result<Option<u64>, Failure>;
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// What is believed, in order.
    pub(super) believed: Vec<Range<u64>>,
    /// Places that agree.
    pub(super) compared: IntervalSet,
    /// The lowest difference that was seen.
    pub(super) first_difference: Option<u64>,
}

/// Compares `runs` (in order, not overlapping, none empty) with `source`: the ends of each, and about
/// `samples` random places, which follow from `seed`. Where that would be nearly everything, everything.
///
/// If the very beginning of the file differs, nothing of it is believed: it is another file.
pub(super) async fn survey(
    source: &mut impl Source,
    runs: Vec<Range<u64>>,
    samples: u32,
    seed: u64,
) -> Result<Survey, Failure> {
    let mut surveyor = Surveyor { source, found: Survey::default() };
    let bytes = runs.iter().fold(0, |sum: u64, run| sum.saturating_add(run.end - run.start));
    let places = u64::from(samples).saturating_add(2 * runs.len() as u64);
    let everything = bytes <= places.saturating_mul(PLACE);
    for run in runs {
        let start = run.start;
        let believed = match everything {
            true => surveyor.all_of(run).await?,
            false => surveyor.ends_of(run).await?,
        };
        match believed {
            Some(run) => surveyor.found.believed.push(run),
            None if start == 0 => return Ok(surveyor.found),
            None => {}
        }
    }
    if !everything {
        surveyor.sample(samples, seed).await?;
    }
    Ok(surveyor.found)
}

struct Surveyor<'a, S> {
    source: &'a mut S,
    found: Survey,
}

impl<S: Source> Surveyor<'_, S> {
    async fn agrees(&mut self, place: Range<u64>) -> Result<bool, Failure> {
        let difference = self.source.first_difference(place.clone()).await?;
        match difference {
            None => {
                self.found.compared.insert(place);
            }
            Some(at) => {
                let first = self.found.first_difference.map_or(at, |first| first.min(at));
                self.found.first_difference = Some(first);
            }
        }
        Ok(difference.is_none())
    }

    /// Compares all of a run, and believes it up to the first difference.
    async fn all_of(&mut self, run: Range<u64>) -> Result<Option<Range<u64>>, Failure> {
        // The first place is shorter, since the answer to that is there already.
        let mut end = run.end.min(run.start.saturating_add(PLACE));
        let mut start = run.start;
        while start < run.end {
            if let Some(at) = self.source.first_difference(start..end).await? {
                let first = self.found.first_difference.map_or(at, |first| first.min(at));
                self.found.first_difference = Some(first);
                self.found.compared.insert(start..at);
                return Ok((at > run.start).then_some(run.start..at));
            }
            self.found.compared.insert(start..end);
            start = end;
            end = run.end.min(start.saturating_add(PIECE));
        }
        Ok(Some(run))
    }

    /// Compares both ends of a run. `None`: the head differs.
    async fn ends_of(&mut self, run: Range<u64>) -> Result<Option<Range<u64>>, Failure> {
        let head = run.start..run.end.min(run.start.saturating_add(PLACE));
        if !self.agrees(head.clone()).await? {
            return Ok(None);
        }
        let tail = head.end.max(run.end.saturating_sub(PLACE))..run.end;
        if tail.is_empty() || self.agrees(tail.clone()).await? {
            return Ok(Some(run));
        }
        let end = self.last_agreement(head.end, tail.start).await?;
        Ok(Some(run.start..end))
    }

    /// Where the last place that agrees ends, searched by halves between `good`, where one ends, and
    /// `bad`, where one that differs begins.
    async fn last_agreement(&mut self, mut good: u64, mut bad: u64) -> Result<u64, Failure> {
        while bad.saturating_sub(good) > PLACE {
            let middle = good + (bad - good) / 2;
            let place = middle.saturating_sub(PLACE).max(good)..middle;
            match self.agrees(place.clone()).await? {
                true => good = place.end,
                false => bad = place.start,
            }
        }
        Ok(good)
    }

    /// Compares a random place in each of `samples` equal stretches of what is believed.
    async fn sample(&mut self, samples: u32, seed: u64) -> Result<(), Failure> {
        let runs = self.found.believed.clone();
        for place in places(&runs, samples, seed) {
            let holds = |run: &Range<u64>| run.start <= place.start && place.end <= run.end;
            let Some(index) = self.found.believed.iter().position(holds) else {
                // In what an earlier difference cut off.
                continue;
            };
            if self.agrees(place.clone()).await? {
                continue;
            }
            let Some(run) = self.found.believed.get(index).cloned() else { continue };
            let head = run.end.min(run.start.saturating_add(PLACE));
            let end = self.last_agreement(head, place.start.max(head)).await?;
            if let Some(run) = self.found.believed.get_mut(index) {
                run.end = end;
            }
        }
        Ok(())
    }
}

/// A random place in each of `samples` equal stretches of `runs`, so that a long stretch of wrong bytes
/// cannot lie between them by chance.
fn places(runs: &[Range<u64>], samples: u32, seed: u64) -> Vec<Range<u64>> {
    let total: u64 = runs.iter().map(|run| run.end - run.start).sum();
    let mut random = seed;
    let mut places = Vec::new();
    for sample in 0..samples {
        let bound = |n: u32| {
            let at = u128::from(total) * u128::from(n) / u128::from(samples);
            u64::try_from(at).unwrap_or(total)
        };
        let (from, to) = (bound(sample), bound(sample.saturating_add(1)));
        let room = to.saturating_sub(from).saturating_sub(PLACE);
        random = next(random);
        let at = from + if room == 0 { 0 } else { mix(random) % room };
        places.extend(place_at(runs, at));
    }
    places
}

/// The place that holds the byte number `at`, counted over all runs; it does not leave its run.
fn place_at(runs: &[Range<u64>], mut at: u64) -> Option<Range<u64>> {
    for run in runs {
        let len = run.end - run.start;
        if at < len {
            let end = run.end.min((run.start + at).saturating_add(PLACE));
            return Some(run.start.max(end.saturating_sub(PLACE))..end);
        }
        at -= len;
    }
    None
}

/// SplitMix64: where to look need not be secret, only not foreseen by chance.
fn next(state: u64) -> u64 {
    state.wrapping_add(0x9E37_79B9_7F4A_7C15)
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges are compared")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A file of which these ranges are wrong; counts what is asked for.
    struct Fake {
        wrong: Vec<Range<u64>>,
        asked: Vec<Range<u64>>,
    }

    impl Source for Fake {
        async fn first_difference(&mut self, place: Range<u64>) -> Result<Option<u64>, Failure> {
            self.asked.push(place.clone());
            let within = |wrong: &Range<u64>| {
                let start = wrong.start.max(place.start);
                (start < wrong.end.min(place.end)).then_some(start)
            };
            Ok(self.wrong.iter().filter_map(within).min())
        }
    }

    fn look(runs: &[Range<u64>], wrong: &[Range<u64>], samples: u32) -> (Survey, Fake) {
        let mut fake = Fake { wrong: wrong.to_vec(), asked: Vec::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let survey = runtime.block_on(survey(&mut fake, runs.to_vec(), samples, 7)).unwrap();
        (survey, fake)
    }

    #[test]
    fn a_right_file_takes_a_request_per_place() {
        let (survey, fake) = look(&[0..700 * MIB], &[], 16);
        assert_eq!(survey.believed, [0..700 * MIB]);
        assert_eq!(fake.asked.len(), 18);
        assert!(fake.asked.iter().all(|place| place.end - place.start == PLACE));
        // One in each sixteenth.
        let stretch = 700 * MIB / 16;
        for (i, place) in fake.asked.iter().skip(2).enumerate() {
            assert_eq!(place.start / stretch, i as u64);
        }
    }

    #[test]
    fn a_small_one_is_compared_to_the_last_byte() {
        let (survey, fake) = look(&[0..MIB + 1], &[], 16);
        assert_eq!(survey.compared.len(), MIB + 1);
        assert_eq!(fake.asked.len(), 2);
        let (survey, _) = look(&[0..MIB], &[777_777..777_778], 16);
        assert_eq!((survey.believed, survey.first_difference), (vec![0..777_777], Some(777_777)));
    }

    #[test]
    fn another_file_is_found_out_at_once() {
        for len in [1, MIB, 700 * MIB] {
            let (survey, fake) = look(&[0..len], &[0..len], 16);
            assert_eq!((survey.believed.len(), survey.first_difference), (0, Some(0)));
            assert_eq!(fake.asked.len(), 1);
        }
    }

    #[test]
    fn a_wrong_tail_is_found_by_halves() {
        let len = 10_000 * MIB;
        for good in [PLACE, PLACE + 1, 12_345_678, len / 2, len - PLACE, len - 1] {
            let (survey, fake) = look(&[0..len], &[good..len], 0);
            let end = survey.believed[0].end;
            assert!(end <= good && good - end <= 2 * PLACE, "{end} of {good}");
            assert!(fake.asked.len() < 22, "{}", fake.asked.len());
        }
    }

    #[test]
    fn a_run_that_is_wrong_is_left_out_and_the_others_are_kept() {
        let runs = [0..100 * MIB, 200 * MIB..300 * MIB, 400 * MIB..500 * MIB];
        let (survey, _) = look(&runs, &[200 * MIB..201 * MIB], 16);
        assert_eq!(survey.believed, [0..100 * MIB, 400 * MIB..500 * MIB]);
    }

    proptest! {
        /// Whatever is wrong where: nothing wrong that was looked at is believed, and a long enough
        /// stretch cannot be missed.
        #[test]
        fn what_was_seen_to_differ_is_not_believed(
            len in 1..400 * MIB,
            wrong in prop::collection::vec((0..400 * MIB, 1..40 * MIB), 0..4),
            samples in 0..40_u32,
        ) {
            let wrong: Vec<_> = wrong.into_iter().map(|(start, len)| start..start + len).collect();
            let (survey, fake) = look(&[0..len], &wrong, samples);
            for place in &fake.asked {
                for wrong in &wrong {
                    let seen = wrong.start.max(place.start)..wrong.end.min(place.end);
                    for run in &survey.believed {
                        let in_run = seen.start.max(run.start)..seen.end.min(run.end);
                        prop_assert!(in_run.is_empty(), "{seen:?} is in {run:?}");
                    }
                }
            }
            if let (Some(run), true) = (survey.believed.first(), samples > 0) {
                let stretch = len / u64::from(samples) + PLACE;
                for wrong in &wrong {
                    let inside = wrong.start.max(run.start)..wrong.end.min(run.end);
                    let inside = inside.end.saturating_sub(inside.start);
                    prop_assert!(inside < 2 * stretch, "{inside} wrong bytes were missed");
                }
            }
        }
    }
}
