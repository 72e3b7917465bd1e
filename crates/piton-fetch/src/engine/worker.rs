//! One connection at work: a segment after the other, from the socket into the part.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::ask::ask;
use super::compare::compare_end;
use super::job::Job;
use super::local_copy::LocalCopy;
use super::mirrors::Source;
use super::transfer_error::TransferError;
use crate::at_stake;
use crate::failure::Failure;
use crate::flow::Speed;
use crate::plan::{Grant, Planner, SegmentId};
use crate::sink::SegmentWriter;
use piton_remote::{Body, Connection};

/// How often a connection looks up from reading: what a kill may cost, and how fast a stop is
/// noticed.
const TICK: Duration = at_stake::AGE;

/// A segment that is given back to the planner when its connection is done with it, also when that
/// is dropped.
pub(super) struct SegmentLease {
    job: Arc<Job>,
    id: SegmentId,
    range: Range<u64>,
}

impl SegmentLease {
    pub(super) fn new(job: &Arc<Job>, (id, range): (SegmentId, Range<u64>)) -> Self {
        Self { job: Arc::clone(job), id, range }
    }
}

impl Drop for SegmentLease {
    fn drop(&mut self) {
        self.job.planner().release(self.id);
    }
}

/// Counts a connection among those over which an answer comes in.
struct OpenAnswer<'a>(&'a Source);

impl<'a> OpenAnswer<'a> {
    fn new(source: &'a Source) -> Self {
        source.serving.fetch_add(1, Ordering::Relaxed);
        Self(source)
    }
}

impl Drop for OpenAnswer<'_> {
    fn drop(&mut self) {
        self.0.serving.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place at a source, which is given up with it, also when it is dropped.
pub(super) struct ConnectionPermit(pub(super) Arc<Source>);

impl ConnectionPermit {
    pub(super) fn new(source: Arc<Source>) -> Self {
        source.working.fetch_add(1, Ordering::Relaxed);
        Self(source)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that failed, and whom it had asked.
pub(super) struct Failed {
    pub(super) source: Arc<Source>,
    pub(super) error: TransferError,
}

/// An answer whose body is positioned at the first byte that the segment wants.
pub(super) struct Opened {
    pub(super) body: Body,
    /// Where the body ends, if the answer says.
    pub(super) end: Option<u64>,
}

/// One connection: works on `claimed` (with `opened`, if its answer is there already), then on
/// whatever the planner hands out, until nothing is left for it.
pub(super) async fn work(
    mut connection: Connection,
    mut permit: ConnectionPermit,
    mut lease: SegmentLease,
    mut opened: Option<Opened>,
) -> Result<(), Failed> {
    let job = Arc::clone(&lease.job);
    let mut writer = job.sink.writer(lease.range.start, job.what.connections.at_most());
    loop {
        let source = &permit.0;
        fetch(&job, source, &mut connection, &lease, &mut writer, opened.take())
            .await
            .map_err(|error| Failed { source: Arc::clone(source), error })?;
        drop(lease);
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
                lease = SegmentLease::new(&job, segment);
            }
            Some((id, _)) => {
                job.planner().release(id);
                return Ok(());
            }
            None => return Ok(()),
        }
        if source.id != permit.0.id {
            permit = ConnectionPermit::new(source);
        }
    }
}

/// Fetches one segment.
async fn fetch(
    job: &Arc<Job>,
    source: &Source,
    connection: &mut Connection,
    lease: &SegmentLease,
    writer: &mut SegmentWriter,
    opened: Option<Opened>,
) -> Result<(), TransferError> {
    writer.move_to(lease.range.start)?;
    let answer = match opened {
        Some(opened) => opened,
        None => ask(job, source, connection, &lease.range).await?,
    };
    let Opened { mut body, end } = answer;
    let serving = OpenAnswer::new(source);
    let pumped = pump(job, source, lease, writer, &mut body, end).await;
    if writer.position() > lease.range.start {
        source.gave_bytes_from(lease.range.start);
    }
    pumped?;
    let overtaken = job.planner().is_overtaken(lease.id);
    if writer.position() == lease.range.start && !overtaken && !job.planner().is_complete() {
        // To ask the same again at once would never end.
        return Err(TransferError::broken(source.host(), WITHOUT_BYTES));
    }
    compare_end(job, source, lease.id, writer, &mut body, end).await?;
    body.finish(connection);
    drop(serving);
    Ok(())
}

/// The message for such an answer.
pub(super) const WITHOUT_BYTES: &str = "an answer without the promised bytes";

/// Moves the body into the part until the segment or the body ends.
async fn pump(
    job: &Job,
    source: &Source,
    lease: &SegmentLease,
    writer: &mut SegmentWriter,
    body: &mut Body,
    end: Option<u64>,
) -> Result<(), TransferError> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Instant::now();
    let mut speed = Speed::new(begun);
    let (mut heard, mut looked) = (begun, begun);
    let limit = job.what.rate_limit.clone();
    let chunk = limit.as_ref().map_or(usize::MAX, crate::RateLimit::read_size);
    let mut copy = LocalCopy::of(body);
    loop {
        let at = writer.position();
        let room = writer.room();
        let longest = job.longest_read(source, lease.id, at);
        let size = room.len().min(chunk).min(longest);
        let copied = match &mut copy {
            Some(copy) => copy.next(job, lease.id, writer, body, size).await?,
            None => None,
        };
        let room = writer.room().get_mut(..size).unwrap_or_default();
        let read = match copied {
            Some(copied) => Some(Ok(copied)),
            None => tokio::select! {
                biased;
                read = body.read(room) => Some(read),
                _ = tick.tick() => None,
            },
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
                let full = copied.is_some() || writer.filled(bytes);
                if let Some(limit) = &limit {
                    pause(job, source, writer, lease, limit.take(bytes)).await?;
                }
                if !full && !flush && bytes < longest {
                    continue;
                }
            }
            Some(Err(error)) => failed = Some(error),
            None => {}
        }
        let goes_on = write(job, source, lease, writer, end)?;
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
            job.planner().set_rate(lease.id, rate);
            source.standing().measured(rate);
            body.set_low_water(if limit.is_some() { 1 } else { low_water(rate) });
            if job.stopping.load(Ordering::Relaxed) {
                return Err(TransferError::Stopped);
            }
            if job.planner().segment(lease.id).is_some_and(|segment| segment.given_up) {
                return Err(TransferError::Replaced);
            }
            let after = job.what.stall_timeout;
            if now.saturating_duration_since(heard) > after {
                return Err(Failure::Stalled { host: source.host(), after, tries: 1 }.into());
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

/// Writes what was gathered. Returns whether the segment continues.
fn write(
    job: &Job,
    source: &Source,
    lease: &SegmentLease,
    writer: &mut SegmentWriter,
    end: Option<u64>,
) -> Result<bool, TransferError> {
    if let Some(limit) = job.what.max_size.filter(|limit| writer.position() > *limit) {
        return Err(Failure::TooLarge { limit }.into());
    }
    let (_, goes_on) = writer.flush(|len| {
        let mut planner = job.planner();
        let grant = grant(job, source, &mut planner, lease.id, len);
        if grant.skip + grant.write == 0 && end.is_some_and(|end| planner.extend(lease.id, end)) {
            return self::grant(job, source, &mut planner, lease.id, len);
        }
        grant
    })?;
    let mut planner = job.planner();
    if planner.is_overtaken(lease.id) {
        return Ok(false);
    }
    let at_end = planner.segment(lease.id).is_none_or(|segment| segment.at >= segment.end);
    let longer = at_end && end.is_some_and(|end| planner.extend(lease.id, end));
    Ok(goes_on && (!at_end || longer))
}

/// What may be done with `len` bytes that came in, and notes whose they are.
fn grant(job: &Job, source: &Source, planner: &mut Planner, id: SegmentId, len: u64) -> Grant {
    let at = planner.segment(id).map_or(0, |segment| segment.at);
    let grant = planner.grant(id, len);
    if job.what.pieces.is_some() && job.sources.several() && grant.write > 0 {
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
    lease: &SegmentLease,
    mut pause: Duration,
) -> Result<(), TransferError> {
    while !pause.is_zero() && !job.stopping.load(Ordering::Relaxed) {
        let step = pause.min(TICK);
        sleep(step).await;
        pause -= step;
        if writer.is_old() {
            write(job, source, lease, writer, None)?;
        }
    }
    Ok(())
}
