use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use piton_checkpoint::{Backoff, Budget, Class};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::job::Job;
use super::trouble::Trouble;
use super::worker::{Claimed, Opened, work};
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

/// The first connection, whose answer is there already.
pub(super) struct First {
    pub(super) lane: Lane,
    pub(super) segment: (SegmentId, std::ops::Range<u64>),
    pub(super) opened: Opened,
}

/// Keeps the right number of connections at work until every byte is here, and decides what each
/// failure calls for.
pub(super) struct Transfer {
    job: Arc<Job>,
    stop: Stop,
    /// The server gives ranges; else there is one stream, and if that breaks it is over.
    ranged: bool,
    count: ConnectionCount,
    workers: JoinSet<Result<(), Trouble>>,
    budget: Budget,
    backoff: Backoff,
    /// Bytes that had come when the budget was last spent.
    spent_at: u64,
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
            backoff: Backoff::default(),
            spent_at: 0,
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
            self.workers.spawn(work(lane, claimed, Some(opened)));
        }
        let mut result = self.coordinate().await;
        self.job.stopping.store(true, Ordering::Relaxed);
        let limit = Instant::now() + Duration::from_secs(5);
        while !self.workers.is_empty() {
            tokio::select! {
                Some(ended) = self.workers.join_next() => {
                    // The plan counts bytes as here just before they are written: what seemed
                    // complete is not, if the disk then refused them (G1).
                    if let (Ok(()), Ok(Err(trouble @ Trouble::Local(_)))) = (&result, ended) {
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
                return Ok(());
            }
            self.employ();
            tokio::select! {
                Some(ended) = self.workers.join_next() => match ended {
                    Ok(Ok(())) if self.ranged || job.planner().is_complete() => {}
                    Ok(Ok(())) => {
                        let why = "the answer ended before the file did";
                        return Err((Trouble::protocol(job.host(), why), 1));
                    }
                    Ok(Err(trouble)) => self.bear(trouble)?,
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

    /// Starts connections while there should be more and there is work for them.
    fn employ(&mut self) {
        let now = Instant::now();
        while self.ranged && now >= self.hold && (self.workers.len() as u32) < self.count.target() {
            let segment = {
                let mut planner = self.job.planner();
                let segment = planner.next();
                segment.or_else(|| (self.count.target() > 1).then(|| planner.race()).flatten())
            };
            let Some(segment) = segment else { break };
            let claimed = Claimed::new(&self.job, segment);
            self.job.alone.store(self.count.target() == 1, Ordering::Relaxed);
            self.workers.spawn(work(self.job.transport.lane(), claimed, None));
        }
    }

    /// Looks at the flow: figures for the watchers, more connections, slow ones given up.
    fn look(&mut self) {
        let now = Instant::now();
        let rate = self.job.rate(now);
        let active = self.workers.len() as u32;
        let planner = self.job.planner();
        let left = planner.size().map_or(0, |size| size - planner.done().len());
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
    fn bear(&mut self, trouble: Trouble) -> Result<(), (Trouble, u32)> {
        if !self.ranged {
            return Err((trouble, 1));
        }
        let now = Instant::now();
        let others = self.workers.len() as u32;
        let fetched = self.job.fetched();
        if fetched > self.spent_at {
            self.budget.refill();
            self.spent_at = fetched;
        }
        if matches!(trouble, Trouble::Replaced) {
            self.job.monitor.tell(Event::Replaced);
            return Ok(());
        }
        if others > 0 && trouble.is_crowding() {
            if let Some(limit) = self.count.refused(others + 1) {
                self.job.monitor.tell(Event::FewerConnections { limit });
            }
            self.hold = self.hold.max(now + trouble.patience().unwrap_or(LOOK));
            return Ok(());
        }
        if others > 0 && matches!(trouble, Trouble::NoRanges) {
            // What is under way goes on; nothing new is asked for beside it.
            self.count.single();
            return Ok(());
        }
        match trouble.class() {
            Class::Fatal => Err((trouble, self.budget.spent() + 1)),
            Class::ResolveAgain | Class::Transient => {
                let Some(tries) = self.budget.spend() else {
                    return Err((trouble, self.budget.spent() + 1));
                };
                let random = getrandom::u64().unwrap_or(u64::MAX);
                let mut pause = self.backoff.pause(tries, random);
                if trouble.class() == Class::ResolveAgain {
                    pause = Duration::ZERO;
                }
                let pause = trouble.patience().unwrap_or(pause);
                self.hold = self.hold.max(now + pause);
                let why = trouble.describe();
                self.job.monitor.tell(Event::Retrying { why, pause, tries });
                Ok(())
            }
        }
    }
}
