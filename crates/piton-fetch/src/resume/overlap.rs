use std::sync::Arc;

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
