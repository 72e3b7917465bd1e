//! The coordinator of one transfer: how many connections there are, whom they ask, which failures are
//! borne.

mod look;
mod on_failure;
mod repair;
mod start_connections;

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::repair::Repairs;
use super::finish::take_back;
use super::job::Job;
use super::mirrors::{Source, SourceId};
use super::transfer_error::TransferError;
use super::worker::{ConnectionPermit, Failed, Opened, SegmentLease, work};
use crate::flow::ConnectionCount;
use crate::monitor::Event;
use crate::plan::SegmentId;
use crate::stop::Stop;
use piton_remote::{Capabilities, Connection, Connections};

/// How often the coordinator looks at the flow.
const LOOK: Duration = Duration::from_millis(100);

/// A single connection over which nothing comes for this long gets company.
const SILENCE: Duration = Duration::from_secs(4);

/// The first connection, whose answer is there already.
pub(super) struct First {
    pub(super) source: Arc<Source>,
    pub(super) connection: Connection,
    pub(super) segment: (SegmentId, std::ops::Range<u64>),
    pub(super) opened: Opened,
}

/// How the work of a connection ended, and when it had begun.
struct Ended {
    begun: Instant,
    proof: bool,
    result: Result<(), Failed>,
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
    /// Connections by whom they were sent to, to call back those of a source that is not to be used.
    sent: Vec<(SourceId, AbortHandle)>,
    /// A connection compares the places where answers met.
    proving: bool,
    /// Bytes that had come when last any came, and when that was.
    heard: (u64, Instant),
    /// When segments were first seen, to judge only those past their youth.
    ages: BTreeMap<SegmentId, Instant>,
    repairs: Repairs,
}

impl Transfer {
    pub(super) fn new(job: Arc<Job>, stop: Stop, ranged: bool) -> Self {
        let now = Instant::now();
        let mut count = ConnectionCount::new(job.what.connections, job.what.share.clone(), now);
        let mut urls = iter::once(&job.what.url).chain(job.what.mirrors.iter().map(|one| &one.url));
        let one_is_enough = urls.all(|url| Capabilities::of(url).connections == Connections::One);
        if !ranged || job.planner().size().is_none() || one_is_enough {
            count.single();
        }
        job.sources.refill();
        Self {
            job,
            stop,
            ranged,
            count,
            workers: JoinSet::new(),
            sent: Vec::new(),
            proving: false,
            heard: (0, now),
            ages: BTreeMap::new(),
            repairs: Repairs::default(),
        }
    }

    /// Runs until all is here (`Ok`), or until the first error that ends this transfer. In either
    /// case no connection is at work any more, and all that came in is written and claimed.
    pub(super) async fn run(mut self, first: Option<First>) -> Result<(), TransferError> {
        if let Some(First { source, connection, segment, opened }) = first {
            let lease = SegmentLease::new(&self.job, segment);
            let permit = ConnectionPermit::new(Arc::clone(&source));
            self.spawn(&source, false, work(connection, permit, lease, Some(opened)));
        }
        let mut result = self.coordinate().await;
        self.job.stop();
        // What is leased for a repair is free again, and nobody else holds the job.
        self.repairs = Repairs::default();
        let limit = Instant::now() + Duration::from_secs(5);
        while !self.workers.is_empty() {
            tokio::select! {
                Some(ended) = self.workers.join_next() => {
                    let failed = ended.ok().and_then(|ended| ended.result.err());
                    let error = failed.map(|failed| failed.error).filter(TransferError::is_local);
                    // The plan counts bytes as here just before they are written: what seemed
                    // complete is not, if the disk then refused them (G1).
                    if let (Ok(()), Some(error)) = (&result, error) {
                        result = Err(error);
                    }
                }
                () = sleep_until(limit) => self.workers.shutdown().await,
            }
        }
        result
    }

    async fn coordinate(&mut self) -> Result<(), TransferError> {
        let job = Arc::clone(&self.job);
        let stop = self.stop.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.take_back_damaged().await?;
            self.repair().await?;
            if !job.planner().is_complete() {
                self.start_connections();
            } else if let Some(seam) = job.first_seam() {
                self.prove(seam);
            } else if job.sink.is_reread() && job.sink.are_pieces_good() && self.repairs.are_over()
            {
                return Ok(());
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
                        // Called back. Should it have been a proof, the next one is started again.
                        self.proving = false;
                    }
                },
                _ = look.tick() => self.look(),
                () = job.sink.checkpointed() => {}
                () = stop.stopped() => return Err(TransferError::Stopped),
            }
            if let Some(error) = job.sink.take_failure() {
                return Err(error.into());
            }
        }
    }

    /// Bytes of an earlier run that the disk did not keep are fetched again.
    async fn take_back_damaged(&self) -> Result<(), TransferError> {
        let damaged = self.job.sink.take_damaged();
        let bytes = damaged.iter().map(|range| range.end - range.start).sum();
        if bytes > 0 {
            drop(take_back(&self.job, damaged).await?);
            self.job.monitor.tell(Event::Damaged { bytes });
        }
        Ok(())
    }

    fn spawn(
        &mut self,
        source: &Source,
        proof: bool,
        work: impl Future<Output = Result<(), Failed>> + Send + 'static,
    ) {
        let begun = Instant::now();
        let work = async move { Ended { begun, proof, result: work.await } };
        let handle = self.workers.spawn(work);
        self.sent.retain(|(_, handle)| !handle.is_finished());
        self.sent.push((source.id, handle));
    }

    fn ended(&mut self, begun: Instant, result: Result<(), Failed>) -> Result<(), TransferError> {
        match result {
            Ok(()) if self.ranged || self.job.planner().is_complete() => Ok(()),
            Ok(()) => {
                let host = piton_remote::host_of(&self.job.what.url);
                Err(TransferError::broken(host, "the answer ended before the file did"))
            }
            Err(Failed { source, error }) => self.on_failure(&source, error, begun),
        }
    }
}
