use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use piton_checkpoint::{Backoff, Budget, Class};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::job::Job;
use super::trouble::Trouble;
use super::worker::{Claimed, Opened, prove, work};
use crate::client::Stop;
use crate::flow::ConnectionCount;
use crate::monitor::Event;
use crate::plan::SegmentId;
use crate::transport::Lane;

/// How often the coordinator looks at the flow.
const LOOK: Duration = Duration::from_millis(100);
/// A connection is not judged before this age.
const GRACE: Duration = Duration::from_secs(2);
/// A single connection over which nothing comes for this long gets company.
const SILENCE: Duration = Duration::from_secs(4);
/// Slower than this part of the mean of the others is too slow.
const CRAWL: f64 = 0.125;
/// A segment is not fetched a second time before this age: its rate is not known yet.
const YOUTH: Duration = Duration::from_millis(500);
/// One node of a farm may answer badly; more bad answers than this are the server's way.
const BAD_ANSWERS: u32 = 2;

/// The first connection, whose answer is there already.
pub(super) struct First {
    pub(super) lane: Lane,
    pub(super) segment: (SegmentId, std::ops::Range<u64>),
    pub(super) opened: Opened,
}

/// How the work of a connection ended, and when it had begun.
struct Ended {
    begun: Instant,
    proof: bool,
    result: Result<(), Trouble>,
}

/// Keeps the right number of connections at work until every byte is here, and decides what each
/// failure calls for.
pub(super) struct Transfer {
    job: Arc<Job>,
    stop: Stop,
    /// The server gives ranges; else there is one stream, and if that breaks it is over.
    ranged: bool,
    count: ConnectionCount,
    workers: JoinSet<Ended>,
    /// A connection compares the places where answers met.
    proving: bool,
    budget: Budget,
    backoff: Backoff,
    /// Bytes that had come when the budget was last spent, and when that was.
    spent_at: (u64, Instant),
    /// Answers that broke the protocol.
    bad_answers: u32,
    /// Bytes that had come when last any came, and when that was.
    heard: (u64, Instant),
    /// No new connection before this.
    hold: Instant,
    /// When segments were first seen, to judge only those past their youth.
    ages: std::collections::BTreeMap<SegmentId, Instant>,
}

impl Transfer {
    pub(super) fn new(job: Arc<Job>, stop: Stop, ranged: bool) -> Self {
        let now = Instant::now();
        let mut count = ConnectionCount::new(job.what.connections, now);
        if !ranged || job.planner().size().is_none() {
            count.single();
        }
        Self {
            budget: Budget::new(job.what.retries),
            job,
            stop,
            ranged,
            count,
            workers: JoinSet::new(),
            proving: false,
            backoff: Backoff::default(),
            spent_at: (0, now),
            bad_answers: 0,
            heard: (0, now),
            hold: now,
            ages: std::collections::BTreeMap::new(),
        }
    }

    /// Runs until all is here (`Ok`), or until the first trouble that ends this transfer. In either
    /// case no connection is at work any more, and all that came in is written and claimed.
    pub(super) async fn run(mut self, first: Option<First>) -> Result<(), (Trouble, u32)> {
        if let Some(First { lane, segment, opened }) = first {
            let claimed = Claimed::new(&self.job, segment);
            self.spawn(false, work(lane, claimed, Some(opened)));
        }
        let mut result = self.coordinate().await;
        self.job.stop();
        let limit = Instant::now() + Duration::from_secs(5);
        while !self.workers.is_empty() {
            tokio::select! {
                Some(ended) = self.workers.join_next() => {
                    let trouble = ended.ok().and_then(|ended| ended.result.err());
                    // The plan counts bytes as here just before they are written: what seemed
                    // complete is not, if the disk then refused them (G1).
                    if let (Ok(()), Some(trouble @ Trouble::Local(_))) = (&result, trouble) {
                        result = Err((trouble, 1));
                    }
                }
                () = sleep_until(limit) => self.workers.shutdown().await,
            }
        }
        result
    }

    async fn coordinate(&mut self) -> Result<(), (Trouble, u32)> {
        let job = Arc::clone(&self.job);
        let stop = self.stop.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if job.planner().is_complete() {
                let Some(joint) = job.open_joint() else { return Ok(()) };
                self.prove(joint);
            } else {
                self.employ();
            }
            tokio::select! {
                Some(ended) = self.workers.join_next() => match ended {
                    Ok(Ended { begun, proof, result }) => {
                        self.proving &= !proof;
                        self.ended(begun, result)?;
                    }
                    Err(gone) => {
                        if let Ok(panic) = gone.try_into_panic() {
                            std::panic::resume_unwind(panic);
                        }
                    }
                },
                _ = look.tick() => self.look(),
                () = job.sink.checkpointed() => {}
                () = stop.stopped() => return Err((Trouble::Stopped, 0)),
            }
            if let Some(error) = job.sink.take_failure() {
                return Err((Trouble::Local(error), 0));
            }
        }
    }

    fn spawn(
        &mut self,
        proof: bool,
        work: impl Future<Output = Result<(), Trouble>> + Send + 'static,
    ) {
        let begun = Instant::now();
        self.workers.spawn(async move { Ended { begun, proof, result: work.await } });
    }

    fn ended(&mut self, begun: Instant, result: Result<(), Trouble>) -> Result<(), (Trouble, u32)> {
        match result {
            Ok(()) if self.ranged || self.job.planner().is_complete() => Ok(()),
            Ok(()) => {
                let why = "the answer ended before the file did";
                Err((Trouble::protocol(self.job.host(), why), 1))
            }
            Err(trouble) => self.bear(trouble, begun),
        }
    }

    /// Has the next place compared where answers met unproven.
    fn prove(&mut self, joint: u64) {
        if !self.proving && Instant::now() >= self.hold {
            self.proving = true;
            let work = prove(Arc::clone(&self.job), self.job.transport.lane(), joint);
            self.spawn(true, work);
        }
    }

    /// Starts connections while there should be more and there is work for them.
    fn employ(&mut self) {
        let now = Instant::now();
        while self.ranged && now >= self.hold && (self.workers.len() as u32) < self.count.target() {
            let segment = {
                let mut planner = self.job.planner();
                let old = |id| self.ages.get(&id).is_some_and(|&since| now - since > YOUTH);
                let segment = planner.next();
                segment.or_else(|| (self.count.target() > 1).then(|| planner.race(old)).flatten())
            };
            let Some(segment) = segment else { break };
            let claimed = Claimed::new(&self.job, segment);
            self.job.alone.store(self.count.target() == 1, Ordering::Relaxed);
            let lane = self.job.transport.lane();
            self.spawn(false, work(lane, claimed, None));
        }
    }

    /// Looks at the flow: figures for the watchers, more connections, slow ones given up.
    fn look(&mut self) {
        let now = Instant::now();
        let rate = self.job.rate(now);
        let active = self.workers.len() as u32;
        let planner = self.job.planner();
        let left = planner.size().map_or(0, |size| size.saturating_sub(planner.done().len()));
        let fronts: Vec<u64> = planner.segments().map(|(_, segment)| segment.at).collect();
        drop(planner);
        self.job.show(rate, active, fronts);
        self.count.observe(now, rate, active, left);
        let fetched = self.job.fetched();
        if fetched > self.heard.0 {
            self.heard = (fetched, now);
        } else if now - self.heard.1 > SILENCE {
            self.count.silent();
        }
        self.job.alone.store(self.count.target() == 1, Ordering::Relaxed);
        self.replace_crawling(now);
    }

    fn replace_crawling(&mut self, now: Instant) {
        let mut planner = self.job.planner();
        let running: Vec<(SegmentId, f64)> =
            planner.segments().map(|(id, segment)| (id, segment.rate)).collect();
        self.ages.retain(|id, _| running.iter().any(|(other, _)| other == id));
        for (id, _) in &running {
            self.ages.entry(*id).or_insert(now);
        }
        if running.len() < 2 {
            return;
        }
        let sum: f64 = running.iter().map(|(_, rate)| rate).sum();
        for (id, rate) in &running {
            let others = (sum - rate) / (running.len() - 1) as f64;
            let old = self.ages.get(id).is_some_and(|&since| now - since > GRACE);
            if old && *rate < others * CRAWL {
                planner.give_up(*id);
            }
        }
    }

    /// Decides what a failed connection calls for: `Ok` to go on, `Err` to end the transfer.
    fn bear(&mut self, trouble: Trouble, begun: Instant) -> Result<(), (Trouble, u32)> {
        if !self.ranged {
            return Err((trouble, 1));
        }
        let now = Instant::now();
        let others = self.workers.len() as u32;
        let fetched = self.job.fetched();
        let (before, spent) = self.spent_at;
        if fetched > before {
            self.budget.refill();
            self.spent_at.0 = fetched;
        }
        if matches!(trouble, Trouble::Replaced) {
            self.job.monitor.tell(Event::Replaced);
            return Ok(());
        }
        // Only beside connections that are served does it mean that they are too many; a server
        // that is away refuses all of them.
        let served = self.job.serving.load(Ordering::Relaxed) > 0;
        if served && trouble.is_crowding() {
            if let Some(limit) = self.count.refused(others + 1) {
                self.job.monitor.tell(Event::FewerConnections { limit });
            }
            self.hold = self.hold.max(now + trouble.patience().unwrap_or(LOOK));
            return Ok(());
        }
        if matches!(trouble, Trouble::Protocol { .. }) {
            self.bad_answers += 1;
        }
        let unfit = matches!(trouble, Trouble::NoRanges) || self.bad_answers > BAD_ANSWERS;
        if others > 0 && unfit {
            // What is under way goes on; nothing new is asked for beside it.
            self.count.single();
            return Ok(());
        }
        if trouble.class() == Class::Fatal || self.bad_answers > BAD_ANSWERS {
            return Err((trouble, self.budget.spent() + 1));
        }
        // Connections that were under way when the last failure was borne failed with it: an outage
        // counts once, not once for each connection.
        if self.budget.spent() > 0 && begun <= spent {
            return Ok(());
        }
        let Some(tries) = self.budget.spend() else {
            return Err((trouble, self.budget.spent() + 1));
        };
        self.spent_at.1 = now;
        let random = getrandom::u64().unwrap_or(u64::MAX);
        let pause = match trouble.class() {
            Class::ResolveAgain => Duration::ZERO,
            _ => trouble.patience().unwrap_or_else(|| self.backoff.pause(tries, random)),
        };
        if pause > self.job.what.patience {
            return Err((trouble, tries));
        }
        self.hold = self.hold.max(now + pause);
        self.job.monitor.tell(Event::Retrying { why: trouble.describe(), pause, tries });
        Ok(())
    }
}
