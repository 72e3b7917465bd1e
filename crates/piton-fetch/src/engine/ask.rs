//! Questions for a range, and answers that are checked before a byte of them is used.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use super::compare::{compare, introduce};
use super::job::Job;
use super::mirrors::{Source, Trust};
use super::trouble::Trouble;
use super::worker::Opened;
use crate::resume::{Answer, read_answer};
use crate::transport::Lane;

/// Asks for a range and checks the answer before a byte of it is used. Where old bytes end at the
/// start of the range, asks for a little more in front and compares.
pub(super) async fn ask(
    job: &Arc<Job>,
    source: &Source,
    lane: &mut Lane,
    range: &Range<u64>,
) -> Result<Opened, Trouble> {
    if job.needs_introduction(source) {
        introduce(job, source, lane).await?;
    } else if source.trust() == Trust::Stranger {
        // Nothing is here: what it gives is the first.
        source.set_trust(Trust::Proven);
    }
    let mut first = range.start;
    let mut opened = ask_for(job, source, lane, || {
        let reach = job.reach(source, range);
        first = reach.0;
        reach
    })
    .await?;
    if first < range.start {
        let len = range.start - first;
        compare(job, source, &mut opened.response.body, first, len).await?;
        source.set_trust(Trust::Proven);
        job.close_joint(range.start);
    } else if range.start > 0 && job.wants_overlap(source) {
        job.open_joint(range.start);
    }
    Ok(opened)
}

/// Asks for the bytes that `reach` names, first and last, until there is an answer with them or
/// a trouble.
pub(super) async fn ask_for(
    job: &Arc<Job>,
    source: &Source,
    lane: &mut Lane,
    mut reach: impl FnMut() -> (u64, Option<u64>),
) -> Result<Opened, Trouble> {
    let _turn = job.turn_to_resolve(source).await?;
    loop {
        let (first, last) = reach();
        let (request, original, generation) = job.request(source, first, last);
        let conditional = request.if_range.is_some();
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let response = job.answered(source, lane.get_for(&original, &request)).await??;
        let answer = match read_answer(&response, request.range, SystemTime::now()) {
            Ok(answer) => answer,
            Err(refusal) => {
                let again = refusal.may_be_an_expired_link() && source.resolve_again(generation);
                return Err(Trouble::refused(refusal, host, again));
            }
        };
        match answer {
            // A page that asks to sign in, of a portal or of a load balancer: no byte of it belongs here.
            Answer::Whole(ref now) | Answer::Part { identity: ref now, .. }
                if job.is_other_page(source, &response, now) =>
            {
                return Err(Trouble::other_page(&response));
            }
            Answer::Part { end, identity, .. } => {
                let compared = job.wants_overlap(source);
                if job.check(source, &identity)?.wants_overlap() && !source.is_doubtful() {
                    source.distrust();
                    if !compared && job.wants_overlap(source) {
                        continue;
                    }
                }
                source.resolved(&response.url, response.redirected, generation);
                return Ok(Opened { response, end: Some(end) });
            }
            // The same version, and yet no range: some servers drop Range when If-Range carries a
            // tag, and some nodes of a farm know other tags.
            Answer::Whole(identity) => {
                job.check(source, &identity)?;
                if !conditional {
                    return Err(Trouble::NoRanges);
                }
                source.set_if_range(false);
            }
            Answer::Unsatisfied(total) => {
                if total.is_some() && total != job.planner().size() {
                    // Another version, or a page in its place: the whole tells which.
                    return Err(Trouble::NoRanges);
                }
                return Err(Trouble::protocol(host, "status 416 to a range within the file"));
            }
            Answer::NotModified => {
                return Err(Trouble::protocol(host, "status 304 to an unconditional request"));
            }
        }
    }
}
