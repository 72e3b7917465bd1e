//! Which bytes are compared where two answers meet.

use std::ops::Range;
use std::sync::Arc;

use piton_checkpoint::IntervalSet;
use piton_durable::part::PartError;

use crate::sink::Shared;

/// How many bytes are fetched a second time and compared where new bytes join old ones.
pub(crate) const OVERLAP: u64 = 16 << 10;

/// Compares bytes that came in with those that the part holds at `start`. Returns the offset of
/// the first that differs; bytes the part does not hold differ.
pub(crate) fn differs_at(
    shared: &Arc<Shared>,
    came: &[u8],
    start: u64,
) -> Result<Option<u64>, PartError> {
    let mut here = vec![0; came.len()];
    let read = shared.part.read(&mut here, start)?;
    let same = here.iter().take(read).zip(came).take_while(|(a, b)| a == b).count();
    Ok((same < came.len()).then_some(start + same as u64))
}

/// How many bytes right before `start` are here and are worth comparing.
pub(crate) fn before(have: &IntervalSet, start: u64) -> u64 {
    let run = start.checked_sub(1).and_then(|last| have.start_of_run(last));
    run.map_or(0, |run| (start - run).min(OVERLAP))
}

/// What of the bytes that are here is compared with those of another source, in order and without overlaps:
/// the head, both edges of every gap below `size`, and as many samples as asked for, chosen by `random`,
/// since versions of a file often begin alike.
pub(crate) fn places_to_compare(
    have: &IntervalSet,
    size: Option<u64>,
    samples: usize,
    mut random: impl FnMut() -> u64,
) -> Vec<Range<u64>> {
    let mut places = IntervalSet::new();
    places.insert(0..after(have, 0));
    for gap in have.gaps(0..size.unwrap_or(u64::MAX)) {
        places.insert(gap.start - before(have, gap.start)..gap.start);
        places.insert(gap.end..gap.end + after(have, gap.end));
    }
    for _ in 0..samples {
        if let Some(sample) = sample(have, random()) {
            places.insert(sample);
        }
    }
    places.iter().collect()
}

/// Some of the bytes that are here, where `random` says.
pub(crate) fn sample(have: &IntervalSet, random: u64) -> Option<Range<u64>> {
    let mut at = random.checked_rem(have.len())?;
    let run = have.iter().find(|run| {
        let len = run.end - run.start;
        let found = at < len;
        at = if found { at } else { at - len };
        found
    })?;
    let start = (run.start + at).min(run.end.saturating_sub(OVERLAP)).max(run.start);
    Some(start..run.end.min(start + OVERLAP))
}

/// How many bytes right after `end` are here and are worth comparing.
pub(crate) fn after(have: &IntervalSet, end: u64) -> u64 {
    have.end_of_run(end).map_or(0, |run| (run - end).min(OVERLAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_within_what_is_here() {
        let have: IntervalSet = [10..20, 100_000..200_000].into_iter().collect();
        assert_eq!(sample(&have, 5), Some(10..20));
        assert_eq!(sample(&have, 10), Some(100_000..100_000 + OVERLAP));
        assert_eq!(sample(&have, 100_009), Some(200_000 - OVERLAP..200_000));
        assert_eq!(sample(&IntervalSet::new(), 5), None);
    }

    #[test]
    fn the_head_and_both_edges_of_every_gap_are_compared() {
        let have: IntervalSet =
            [0..50_000, 100_000..200_000, 300_000..300_010].into_iter().collect();
        let places = places_to_compare(&have, Some(400_000), 0, || 0);
        let edges = [
            0..OVERLAP,
            50_000 - OVERLAP..50_000,
            100_000..100_000 + OVERLAP,
            200_000 - OVERLAP..200_000,
            300_000..300_010,
        ];
        assert_eq!(places, edges);
        // Samples that touch an edge or one another are one place with it.
        let places = places_to_compare(&have, Some(400_000), 2, || 7);
        assert_eq!(places[0], 0..OVERLAP + 7);
        assert!(places_to_compare(&IntervalSet::new(), Some(9), 8, || 7).is_empty());
    }
}
