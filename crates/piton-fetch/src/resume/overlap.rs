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

/// Bytes that are here, for a comparison with what another source has: anywhere, as `random` has it,
/// since versions of a file often begin alike.
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
}
