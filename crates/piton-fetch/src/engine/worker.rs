use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use piton_checkpoint::{Change, Identity};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::job::Job;
use super::mirrors::Source;
use super::trouble::Trouble;
use crate::flow::Speed;
use crate::plan::{Grant, Planner, SegmentId};
use crate::resume::{
    Answer, OVERLAP, STRANGER, after, differs_at, is_stranger, read_answer, sample,
};
use crate::sink::SegmentWriter;
use crate::transport::{Body, Lane, Response};

/// How often a connection looks up from reading: what a kill may cost, and how fast a stop is
/// noticed.
const TICK: Duration = Duration::from_millis(100);

/// A segment that is given back to the planner when its connection is done with it, also when that
/// is dropped.
pub(super) struct Claimed {
    job: Arc<Job>,
    id: SegmentId,
    range: Range<u64>,
}

impl Claimed {
    pub(super) fn new(job: &Arc<Job>, (id, range): (SegmentId, Range<u64>)) -> Self {
        Self { job: Arc::clone(job), id, range }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.job.planner().release(self.id);
    }
}

/// Counts a connection among those over which an answer comes in.
struct Serving<'a>(&'a Source);

impl<'a> Serving<'a> {
    fn new(source: &'a Source) -> Self {
        source.serving.fetch_add(1, Ordering::Relaxed);
        Self(source)
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place at a source, which is given up with it, also when it is dropped.
pub(super) struct Engaged(Arc<Source>);

impl Engaged {
    pub(super) fn new(source: Arc<Source>) -> Self {
        source.working.fetch_add(1, Ordering::Relaxed);
        Self(source)
    }
}

impl Drop for Engaged {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that failed, and whom it had asked.
pub(super) struct Failed {
    pub(super) source: Arc<Source>,
    pub(super) trouble: Trouble,
}

/// An answer whose body is positioned at the first byte that the segment wants.
pub(super) struct Opened {
    pub(super) response: Response,
    /// Where the body ends, if the answer says.
    pub(super) end: Option<u64>,
}

/// One connection: works on `claimed` (with `opened`, if its answer is there already), then on
/// whatever the planner hands out, until nothing is left for it.
pub(super) async fn work(
    mut lane: Lane,
    mut engaged: Engaged,
    mut claimed: Claimed,
    mut opened: Option<Opened>,
) -> Result<(), Failed> {
    let job = Arc::clone(&claimed.job);
    let mut writer = job.sink.writer(claimed.range.start, job.what.connections.at_most());
    loop {
        let source = &engaged.0;
        fetch(&job, source, &mut lane, &claimed, &mut writer, opened.take())
            .await
            .map_err(|trouble| Failed { source: Arc::clone(source), trouble })?;
        drop(claimed);
        let Some(source) = job.sources.choose_after(source, |source| job.may_ask(source)) else {
            return Ok(());
        };
        let next = {
            let mut planner = job.planner();
            // Only the first connection asks for more than its own piece (see `ask`).
            planner.next()
        };
        match next {
            Some(segment) if !job.stopping.load(Ordering::Relaxed) => {
                claimed = Claimed::new(&job, segment);
            }
            Some((id, _)) => {
                job.planner().release(id);
                return Ok(());
            }
            None => return Ok(()),
        }
        if source.id != engaged.0.id {
            engaged = Engaged::new(source);
        }
    }
}

/// Fetches one segment.
async fn fetch(
    job: &Arc<Job>,
    source: &Source,
    lane: &mut Lane,
    claimed: &Claimed,
    writer: &mut SegmentWriter,
    opened: Option<Opened>,
) -> Result<(), Trouble> {
    writer.move_to(claimed.range.start)?;
    let answer = match opened {
        Some(opened) => opened,
        None => ask(job, source, lane, &claimed.range).await?,
    };
    let Opened { mut response, end } = answer;
    let serving = Serving::new(source);
    pump(job, source, claimed, writer, &mut response.body, end).await?;
    if writer.position() == claimed.range.start && !job.planner().is_complete() {
        // To ask the same again at once would never end.
        return Err(Trouble::protocol(source.host(), WITHOUT_BYTES));
    }
    compare_end(job, source, claimed, writer.position(), &mut response.body, end).await?;
    response.body.finish(lane);
    drop(serving);
    Ok(())
}

const WITHOUT_BYTES: &str = "an answer without the bytes it promised";

/// Asks for a range and checks the answer before a byte of it is used. Where old bytes end at the
/// start of the range, asks for a little more in front and compares.
async fn ask(
    job: &Arc<Job>,
    source: &Source,
    lane: &mut Lane,
    range: &Range<u64>,
) -> Result<Opened, Trouble> {
    if !source.is_proven() && !job.sources.is_reference(source) {
        introduce(job, source, lane).await?;
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
        source.set_proven(true);
        job.close_joint(range.start)?;
    } else if range.start > 0 && job.wants_overlap(source) {
        job.open_joint(range.start)?;
    }
    Ok(opened)
}

/// Has a mirror show that it has the file before anything new is taken from it: bytes that are here
/// already are fetched from it and compared (G4).
async fn introduce(job: &Arc<Job>, source: &Source, lane: &mut Lane) -> Result<(), Trouble> {
    let random = getrandom::u64().unwrap_or(0);
    let Some(known) = sample(job.planner().done(), random) else { return Err(Trouble::Replaced) };
    let last = known.end.checked_sub(1);
    let mut opened = ask_for(job, source, lane, || (known.start, last)).await?;
    compare(job, source, &mut opened.response.body, known.start, known.end - known.start).await?;
    opened.response.body.finish(lane);
    source.set_proven(true);
    Ok(())
}

/// Asks for the bytes that `reach` names, first and last, until there is an answer with them or
/// a trouble.
async fn ask_for(
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
        let response = job.in_time(source, lane.get_for(&original, &request)).await??;
        let answer = match read_answer(&response, request.range, SystemTime::now()) {
            Ok(answer) => answer,
            Err(refusal) => {
                let again = refusal.may_be_an_expired_link() && source.resolve_again(generation);
                return Err(Trouble::refused(refusal, host, again));
            }
        };
        match answer {
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
            // The page of a portal or of a load balancer: no byte of it belongs here, and it tells
            // nothing of the file.
            Answer::Whole(now) if source.identity().is_some_and(|was| is_stranger(&was, &now)) => {
                return Err(Trouble::protocol(host, STRANGER));
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
                if total.is_some() {
                    let was = source.identity().unwrap_or_default();
                    job.check(source, &Identity { size: total, ..was })?;
                }
                return Err(Trouble::protocol(host, "status 416 to a range within the file"));
            }
            Answer::NotModified => {
                return Err(Trouble::protocol(host, "status 304 to an unconditional request"));
            }
        }
    }
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
async fn compare_end(
    job: &Job,
    source: &Source,
    claimed: &Claimed,
    position: u64,
    body: &mut Body,
    end: Option<u64>,
) -> Result<(), Trouble> {
    if !job.wants_overlap(source) {
        return Ok(());
    }
    let (at, past) = {
        let planner = job.planner();
        let Some(segment) = planner.segment(claimed.id) else { return Ok(()) };
        if segment.at != segment.end || position != segment.end {
            return Ok(());
        }
        (segment.end, after(planner.done(), segment.end))
    };
    if past == 0 {
        return Ok(());
    }
    // All may be here before this is compared: the end waits for it.
    job.open_joint(at)?;
    if end.is_none_or(|end| end < at + past) {
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
        let came = came.filter(|came| *came > joint);
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

/// Moves the body into the part until the segment or the body ends.
async fn pump(
    job: &Job,
    source: &Source,
    claimed: &Claimed,
    writer: &mut SegmentWriter,
    body: &mut Body,
    end: Option<u64>,
) -> Result<(), Trouble> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Instant::now();
    let mut speed = Speed::new(begun);
    let (mut heard, mut looked) = (begun, begun);
    let limit = job.what.rate_limit.clone();
    let chunk = limit.as_ref().map_or(usize::MAX, crate::RateLimit::read_size);
    loop {
        let at = writer.position();
        let room = writer.room();
        let longest = job.longest_read(source, claimed.id, at);
        let size = room.len().min(chunk).min(longest);
        let room = room.get_mut(..size).unwrap_or_default();
        let read = tokio::select! {
            biased;
            read = body.read(room) => Some(read),
            _ = tick.tick() => None,
        };
        let now = Instant::now();
        // At a tick, what waits below the low-water mark is fetched too, and all is written.
        let (read, flush) = match read {
            Some(read) => (Some(read), false),
            None => (body.try_read(writer.room().get_mut(..size).unwrap_or_default()), true),
        };
        let mut over = false;
        let mut failed = None;
        match read {
            Some(Ok(0)) => over = true,
            Some(Ok(bytes)) => {
                heard = now;
                speed.add(bytes as u64, now);
                job.count(source, bytes as u64, now);
                let full = writer.filled(bytes);
                if let Some(limit) = &limit {
                    pause(job, source, writer, claimed, limit.take(bytes)).await?;
                }
                if !full && !flush && bytes < longest {
                    continue;
                }
            }
            Some(Err(error)) => failed = Some(error),
            None => {}
        }
        let goes_on = write(job, source, claimed, writer, end)?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if over && goes_on && end.is_none() {
            let mut planner = job.planner();
            if planner.size().is_none() {
                planner.set_size(writer.position());
            }
        }
        if over || !goes_on {
            return Ok(());
        }
        if flush || now.saturating_duration_since(looked) >= TICK {
            looked = now;
            let rate = speed.at(now);
            job.planner().set_rate(claimed.id, rate);
            source.standing().measured(rate);
            body.set_low_water(if limit.is_some() { 1 } else { low_water(rate) });
            if job.stopping.load(Ordering::Relaxed) {
                return Err(Trouble::Stopped);
            }
            if job.planner().segment(claimed.id).is_some_and(|segment| segment.given_up) {
                return Err(Trouble::Replaced);
            }
            let after = job.what.stall_timeout;
            if now.saturating_duration_since(heard) > after {
                return Err(Trouble::Stalled { host: source.host(), after });
            }
        }
        if !writer.may_go_on(speed.at(now)) {
            writer.wait(speed.at(now)).await;
            heard = Instant::now();
        }
    }
}

/// How much shall wait before a connection of this rate is read from: a hundredth of a second's
/// worth, so that reads are few and large, yet no more than still lies in the processor's cache.
fn low_water(rate: f64) -> usize {
    ((rate / 100.0) as usize).min(256 << 10)
}

/// Writes what was gathered. Returns whether the segment goes on.
fn write(
    job: &Job,
    source: &Source,
    claimed: &Claimed,
    writer: &mut SegmentWriter,
    end: Option<u64>,
) -> Result<bool, Trouble> {
    if job.what.max_size.is_some_and(|limit| writer.position() > limit) {
        return Err(Trouble::TooLarge);
    }
    let (_, goes_on) = writer.flush(|len| {
        let mut planner = job.planner();
        let grant = grant(job, source, &mut planner, claimed.id, len);
        if grant.skip + grant.write == 0 && end.is_some_and(|end| planner.extend(claimed.id, end)) {
            return self::grant(job, source, &mut planner, claimed.id, len);
        }
        grant
    })?;
    let mut planner = job.planner();
    let at_end = planner.segment(claimed.id).is_none_or(|segment| segment.at >= segment.end);
    let longer = at_end && end.is_some_and(|end| planner.extend(claimed.id, end));
    Ok(goes_on && (!at_end || longer))
}

/// What may be done with `len` bytes that came in, and notes whose they are.
fn grant(job: &Job, source: &Source, planner: &mut Planner, id: SegmentId, len: u64) -> Grant {
    let at = planner.segment(id).map_or(0, |segment| segment.at);
    let grant = planner.grant(id, len);
    if job.sources.several() && grant.write > 0 {
        let start = at + grant.skip;
        job.origins().note(source.id, start..start + grant.write);
    }
    grant
}

/// Waits for the rate limit, saving every tenth of a second what came in before.
async fn pause(
    job: &Job,
    source: &Source,
    writer: &mut SegmentWriter,
    claimed: &Claimed,
    mut pause: Duration,
) -> Result<(), Trouble> {
    while !pause.is_zero() && !job.stopping.load(Ordering::Relaxed) {
        let step = pause.min(TICK);
        sleep(step).await;
        pause -= step;
        if writer.is_old() {
            write(job, source, claimed, writer, None)?;
        }
    }
    Ok(())
}
