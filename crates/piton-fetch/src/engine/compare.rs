//! Bytes that come in compared with bytes that are here (G4).

use std::ops::Range;
use std::sync::Arc;

use piton_checkpoint::Change;

use super::ask::ask_for;
use super::job::Job;
use super::mirrors::{Sharing, Source, Trust};
use super::transfer_error::TransferError;
use super::worker::{ConnectionPermit, Failed, Opened, WITHOUT_BYTES};
use crate::plan::SegmentId;
use crate::resume::{OVERLAP, after, differs_at, places_to_compare, sample};
use crate::sink::SegmentWriter;
use piton_remote::{Body, Connection};

/// So many places of what is here are compared beside the edges of its gaps.
const SAMPLES: usize = 8;

/// Has a source show that it has the file, before anything new is taken from it (G4): the head of what is
/// here, both edges of every gap, where bytes of it will meet those of others, and some places chosen by
/// chance are fetched from it and compared. All edges are compared before a byte is taken, so that no crash
/// leaves one that was not.
///
/// Where a digest judges the result, one place tells a file that is plainly another.
pub(super) async fn introduce(
    job: &Arc<Job>,
    source: &Source,
    connection: &mut Connection,
) -> Result<(), TransferError> {
    let _turn = source.introduction().await;
    if !job.needs_introduction(source) {
        return Ok(());
    }
    let size = job.planner().size();
    let random = || getrandom::u64().unwrap_or(0);
    let places = job.sink.look(|here| match job.sharing {
        Sharing::SideBySide => sample(here, random()).into_iter().collect(),
        Sharing::One | Sharing::FailOver => places_to_compare(here, size, SAMPLES, random),
    });
    for place in places {
        compare_place(job, source, connection, place).await.map_err(|error| match error {
            // Of several URLs, what this one has says nothing of the others.
            TransferError::Changed(change) if job.sharing != Sharing::One => {
                TransferError::OtherFile(change)
            }
            other => other,
        })?;
    }
    source.set_trust(Trust::Proven);
    Ok(())
}

async fn compare_place(
    job: &Arc<Job>,
    source: &Source,
    connection: &mut Connection,
    place: Range<u64>,
) -> Result<(), TransferError> {
    let last = place.end.checked_sub(1);
    let mut opened = ask_for(job, source, connection, || (place.start, last)).await?;
    if opened.end != Some(place.end) {
        return Err(TransferError::broken(source.host(), SHORT));
    }
    compare(job, source, &mut opened.body, place.start, place.end - place.start).await?;
    opened.body.finish(connection);
    Ok(())
}

/// The message for such an answer.
const SHORT: &str = "a range shorter than requested";

/// Reads `len` bytes that belong at `start` and compares them with what is here (G4).
pub(super) async fn compare(
    job: &Job,
    source: &Source,
    body: &mut Body,
    start: u64,
    len: u64,
) -> Result<(), TransferError> {
    let mut came = vec![0; len as usize];
    let mut filled = 0;
    while let Some(room) = came.get_mut(filled..).filter(|room| !room.is_empty()) {
        match job.received(source, body.read(room)).await?? {
            0 => break,
            read => filled += read,
        }
    }
    if filled == 0 {
        return Err(TransferError::broken(source.host(), WITHOUT_BYTES));
    }
    came.truncate(filled);
    match differs_at(job.sink.shared(), &came, start)? {
        Some(at) => Err(TransferError::Changed(Change::Bytes { at })),
        None => Ok(()),
    }
}

/// At the end of a segment, where bytes of another connection or an earlier run begin: reads a
/// little past it, if the answer continues there, and compares (G4).
pub(super) async fn compare_end(
    job: &Job,
    source: &Source,
    id: SegmentId,
    writer: &SegmentWriter,
    body: &mut Body,
    end: Option<u64>,
) -> Result<(), TransferError> {
    if !job.wants_overlap(source) {
        return Ok(());
    }
    let (at, past) = {
        let planner = job.planner();
        let Some(segment) = planner.segment(id) else { return Ok(()) };
        if segment.at != segment.end || writer.position() != segment.end {
            return Ok(());
        }
        (segment.end, job.sink.look(|here| after(here, segment.end)))
    };
    if past == 0 {
        return Ok(());
    }
    // All may be here before this is compared: the end waits for it.
    job.open_seam(at);
    // A segment that was cut short while its bytes came in has the next ones of the body behind it.
    if writer.has_spilled() || end.is_none_or(|end| end < at + past) {
        return Ok(());
    }
    compare(job, source, body, at, past).await?;
    job.close_seam(at);
    Ok(())
}

/// Fetches the bytes on both sides of a seam in one answer and compares them with what is here:
/// where two answers met that nothing else has compared (G4).
pub(super) async fn prove(
    job: Arc<Job>,
    mut connection: Connection,
    permit: ConnectionPermit,
    seam: u64,
) -> Result<(), Failed> {
    let source = &permit.0;
    let proof = async {
        let start = seam.saturating_sub(OVERLAP / 2);
        let end = (seam + OVERLAP / 2).min(job.planner().size().unwrap_or(seam));
        let Opened { mut body, end: came } =
            ask_for(&job, source, &mut connection, || (start, end.checked_sub(1))).await?;
        let came = came.filter(|came| *came == end);
        let Some(came) = came else {
            return Err(TransferError::broken(source.host(), SHORT));
        };
        compare(&job, source, &mut body, start, came - start).await?;
        source.set_trust(Trust::Proven);
        job.close_seam(seam);
        Ok(())
    };
    proof.await.map_err(|error| Failed { source: Arc::clone(source), error })
}
