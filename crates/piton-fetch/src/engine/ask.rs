//! Questions for a range, and answers that are checked before a byte of them is used.

use std::ops::Range;
use std::sync::Arc;

use super::compare::{compare, introduce};
use super::job::Job;
use super::mirrors::{Source, Trust};
use super::transfer_error::TransferError;
use super::worker::Opened;
use crate::failure::Failure;
use piton_remote::{Connection, Holds, Reply};

/// Asks for a range and checks the answer before a byte of it is used. Where old bytes end at the
/// start of the range, asks for a little more in front and compares.
pub(super) async fn ask(
    job: &Arc<Job>,
    source: &Source,
    connection: &mut Connection,
    range: &Range<u64>,
) -> Result<Opened, TransferError> {
    if job.needs_introduction(source) {
        introduce(job, source, connection).await?;
    } else if source.trust() == Trust::Stranger {
        // Nothing is here: what it gives is the first.
        source.set_trust(Trust::Proven);
    }
    let mut first = range.start;
    let mut opened = ask_for(job, source, connection, || {
        let reach = job.reach(source, range);
        first = reach.0;
        reach
    })
    .await?;
    if first < range.start {
        let len = range.start - first;
        compare(job, source, &mut opened.body, first, len).await?;
        source.set_trust(Trust::Proven);
        job.close_seam(range.start);
    } else if range.start > 0 && job.wants_overlap(source) {
        job.open_seam(range.start);
    }
    Ok(opened)
}

/// Asks for the bytes that `reach` names, first and last, until there is an answer with them or
/// an error.
pub(super) async fn ask_for(
    job: &Arc<Job>,
    source: &Source,
    connection: &mut Connection,
    mut reach: impl FnMut() -> (u64, Option<u64>),
) -> Result<Opened, TransferError> {
    let _turn = job.turn_to_resolve(source).await?;
    loop {
        let (first, last) = reach();
        let question = job.question(source, first, last);
        let conditional = question.0.same_as.is_some();
        let Reply { head, holds, body, .. } = job.exchange(source, connection, &question).await?;
        let now = &head.identity;
        match holds {
            // A page that asks to sign in, of a portal or of a load balancer: no byte of it belongs here.
            Holds::Whole | Holds::Part { .. } if job.is_other_page(source, &head) => {
                return Err(TransferError::other_page(&head));
            }
            Holds::Part { end, .. } => {
                let compared = job.wants_overlap(source);
                if job.check(source, now)?.wants_overlap() && !source.is_doubtful() {
                    source.distrust();
                    if !compared && job.wants_overlap(source) {
                        continue;
                    }
                }
                source.resolved(&head.url, head.redirected, question.1);
                return Ok(Opened { body, end: Some(end) });
            }
            // The same version, and yet no range: some servers drop Range when If-Range carries a
            // tag, and some nodes of a farm know other tags.
            Holds::Whole => {
                job.check(source, now)?;
                if !conditional {
                    return Err(TransferError::NoRanges);
                }
                source.set_conditional(false);
            }
            Holds::OutOfRange { size } => {
                if size.is_some() && size != job.planner().size() {
                    // Another version, or a page in its place: the whole tells which.
                    return Err(TransferError::NoRanges);
                }
                let why = "it rejects a range that lies within the file".to_owned();
                let failure = Failure::Protocol { host: source.host(), why };
                return Err(TransferError::OutOfRange(Box::new(failure)));
            }
            Holds::NotNewer => {
                let why = "an answer to another request";
                return Err(TransferError::broken(source.host(), why));
            }
        }
    }
}
