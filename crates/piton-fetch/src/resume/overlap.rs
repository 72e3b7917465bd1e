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

/// How many bytes right after `end` are here and are worth comparing.
pub(crate) fn after(have: &IntervalSet, end: u64) -> u64 {
    have.end_of_run(end).map_or(0, |run| (run - end).min(OVERLAP))
}
