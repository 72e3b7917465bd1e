//! Bytes that come in compared with bytes that are here (G4).

use std::sync::Arc;

use piton_checkpoint::Change;

use super::ask::ask_for;
use super::job::Job;
use super::mirrors::Source;
use super::trouble::Trouble;
use super::worker::{Engaged, Failed, Opened, WITHOUT_BYTES};
use crate::plan::SegmentId;
use crate::resume::{OVERLAP, after, differs_at, sample};
use crate::sink::SegmentWriter;
use crate::transport::{Body, Lane};

/// Has a mirror show that it has the file before anything new is taken from it: bytes that are here
/// already are fetched from it and compared (G4).
pub(super) async fn introduce(
    job: &Arc<Job>,
    source: &Source,
    lane: &mut Lane,
) -> Result<(), Trouble> {
    let random = getrandom::u64().unwrap_or(0);
    let known = job.sink.look(|here| sample(here, random));
    let Some(known) = known else { return Err(Trouble::Replaced) };
    let last = known.end.checked_sub(1);
    let mut opened = ask_for(job, source, lane, || (known.start, last)).await?;
    compare(job, source, &mut opened.response.body, known.start, known.end - known.start).await?;
    opened.response.body.finish(lane);
    source.set_proven(true);
    Ok(())
}

/// Reads `len` bytes that belong at `start` and compares them with what is here (G4).
pub(super) async fn compare(
    job: &Job,
    source: &Source,
    body: &mut Body,
    start: u64,
    len: u64,
) -> Result<(), Trouble> {
    let mut came = vec![0; len as usize];
    let mut filled = 0;
    while let Some(room) = came.get_mut(filled..).filter(|room| !room.is_empty()) {
        match job.in_time(source, body.read(room)).await?? {
            0 => break,
            read => filled += read,
        }
    }
    if filled == 0 {
        return Err(Trouble::protocol(source.host(), WITHOUT_BYTES));
    }
    came.truncate(filled);
    match differs_at(job.sink.shared(), &came, start)? {
        Some(at) => Err(Trouble::Changed(Change::Bytes { at })),
        None => Ok(()),
    }
}

/// At the end of a segment, where bytes of another connection or an earlier run begin: reads a
/// little past it, if the answer goes on there, and compares (G4).
pub(super) async fn compare_end(
    job: &Job,
    source: &Source,
    id: SegmentId,
    writer: &SegmentWriter,
    body: &mut Body,
    end: Option<u64>,
) -> Result<(), Trouble> {
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
    job.open_joint(at)?;
    // A segment that was cut short while its bytes came in has the next ones of the body behind it.
    if writer.has_spilled() || end.is_none_or(|end| end < at + past) {
        return Ok(());
    }
    compare(job, source, body, at, past).await?;
    job.close_joint(at)?;
    Ok(())
}

/// Fetches the bytes on both sides of a joint in one answer and compares them with what is here:
/// where two answers met that nothing else has compared (G4).
pub(super) async fn prove(
    job: Arc<Job>,
    mut lane: Lane,
    engaged: Engaged,
    joint: u64,
) -> Result<(), Failed> {
    let source = &engaged.0;
    let proof = async {
        let start = joint.saturating_sub(OVERLAP / 2);
        let end = (joint + OVERLAP / 2).min(job.planner().size().unwrap_or(joint));
        let Opened { mut response, end: came } =
            ask_for(&job, source, &mut lane, || (start, end.checked_sub(1))).await?;
        let came = came.filter(|came| *came == end);
        let Some(came) = came else {
            let why = "a range shorter than what was asked for";
            return Err(Trouble::protocol(source.host(), why));
        };
        compare(&job, source, &mut response.body, start, came - start).await?;
        source.set_proven(true);
        Ok(job.close_joint(joint)?)
    };
    proof.await.map_err(|trouble| Failed { source: Arc::clone(source), trouble })
}
