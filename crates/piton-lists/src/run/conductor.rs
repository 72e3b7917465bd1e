//! Starts items when the queue says so, and decides what each outcome means.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_fetch::{Client, Share, Stop};
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::accounts::Accounts;
use super::attempt::{Tried, attempt, download, is_disk_full};
use super::inventory::Inventory;
use super::job::{Job, Read};
use super::monitor::Event;
use super::rates::HostRates;
use super::slots::{HARMLESS, Slot, Slots};
use super::{Early, Monitor, Options, Run, RunError, thread};
use crate::flow::{Heard, Queue, Started};
use crate::name::Folder;

/// See [`Conductor::run`].
pub(super) struct Conductor<'a> {
    run: &'a Run,
    /// Of the run, limited to files in the folder.
    client: Client,
    pub(super) folder: &'a Folder,
    pub(super) options: &'a Options,
    pub(super) monitor: &'a Monitor,
    pub(super) accounts: Accounts,
    pub(super) queue: Queue<Job>,
    pub(super) rates: HostRates,
    tries: JoinSet<Tried>,
    pub(super) slots: Slots,
    /// The list is exhausted.
    read_all: bool,
    /// The number of remaining files for which the connections were last shared.
    shared_for: usize,
    /// Whether the items are being counted, or were.
    counting: bool,
    /// Stops the running downloads.
    halt: Stop,
    /// Nothing new is started.
    pub(super) ending: bool,
    error: Option<RunError>,
    pub(super) epoch: Instant,
}

impl<'a> Conductor<'a> {
    pub(super) fn new(run: &'a Run, folder: &'a Folder, monitor: &'a Monitor) -> Self {
        let options = &*run.options;
        Self {
            run,
            client: run.client.keeping(Arc::clone(folder.fs())),
            folder,
            options,
            monitor,
            accounts: Accounts::new(run.ledger.clone()),
            queue: Queue::new(options.limits.clone()),
            rates: HostRates::new(options.rate.clone(), options.host_rate),
            tries: JoinSet::new(),
            slots: Slots::default(),
            read_all: false,
            shared_for: 0,
            counting: false,
            halt: Stop::new(),
            ending: false,
            error: None,
            epoch: Instant::now(),
        }
    }

    /// Processes what `reading` delivers until everything has ended, `stop` is used, or nothing more can be
    /// done. When this returns, nothing is in progress, and the ledger has every outcome.
    pub(super) async fn run(
        mut self,
        mut reading: Receiver<Vec<Read>>,
        stop: &Stop,
    ) -> Result<(), RunError> {
        let landing = self.slots.landing().clone();
        let mut harmless = interval(HARMLESS);
        harmless.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.free_the_landed();
            self.start();
            self.share_what_is_free();
            if self.tries.is_empty()
                && (self.ending || (self.read_all && self.queue.waiting() == 0))
            {
                break;
            }
            if !self.queue.has_room() {
                self.count_the_list();
            }
            let wants_more =
                !self.read_all && !self.ending && self.queue.has_room() && !self.accounts.is_full();
            let wakeup =
                self.queue.next_wakeup().filter(|_| !self.ending && !self.accounts.is_full());
            let wakeup = wakeup.and_then(|at| self.epoch.checked_add(at));
            tokio::select! {
                Some(tried) = self.tries.join_next() => {
                    self.tried(finished(tried));
                    while let Some(tried) = self.tries.try_join_next() {
                        self.tried(finished(tried));
                    }
                }
                batch = reading.recv(), if wants_more => match batch {
                    Some(batch) => batch.into_iter().for_each(|read| self.take(read)),
                    None => self.read_all = true,
                },
                () = until(wakeup), if wakeup.is_some() => {}
                () = self.accounts.changed() => {}
                () = landing.told() => {}
                _ = harmless.tick() => self.slots.note_the_harmless(self.epoch.elapsed()),
                () = stop.stopped(), if !self.halt.is_stopped() => {
                    self.end(Some(Early::Stopped));
                    self.halt.stop();
                }
            }
            if let Some(error) = self.accounts.take_error() {
                self.fail(error.into());
            }
        }
        // Who counts the list need not continue; who reads it counts what is left.
        self.halt.stop();
        reading.close();
        for job in self.queue.drain() {
            self.leave_out(job);
        }
        while let Some(batch) = reading.recv().await {
            for read in batch {
                match read {
                    Read::Job(job) => self.leave_out(job),
                    Read::Nameless(nameless) => self.nameless(nameless),
                }
            }
        }
        self.accounts.settled().await;
        match (self.error, self.accounts.take_error()) {
            (Some(error), _) => Err(error),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Ok(()),
        }
    }

    /// An item from the list.
    fn take(&mut self, read: Read) {
        let job = match read {
            Read::Job(job) => job,
            Read::Nameless(nameless) => return self.nameless(nameless),
        };
        self.place(job);
    }

    /// Queues an item for the first of its hosts that was not given up.
    pub(super) fn place(&mut self, mut job: Job) {
        let now = self.epoch.elapsed();
        for mirror in 0.. {
            let Some(host) = job.host(mirror) else { break };
            let (weight, first) = (job.weight(), job.first);
            match self.queue.push(&host, job, weight, first, now) {
                Ok(()) => return,
                Err(refused) => job = refused,
            }
        }
        self.without_host(job);
    }

    /// Tries that wait only for the disk make room for the next.
    fn free_the_landed(&mut self) {
        for Slot { host, begun, .. } in self.slots.landed() {
            self.queue.ended(&host, begun, Heard::Served, self.epoch.elapsed(), 0);
        }
    }

    /// Starts what may start now.
    fn start(&mut self) {
        while !self.ending && !self.accounts.is_full() {
            let random = match self.options.limits.random_wait {
                true => getrandom::u64().unwrap_or(u64::MAX),
                false => 0,
            };
            let Some(started) = self.queue.next(self.epoch.elapsed(), random) else { return };
            self.begin(started);
        }
    }

    fn begin(&mut self, started: Started<Job>) {
        let Started { item: job, host, begun } = started;
        // A finished item that is checked stays finished, whatever becomes of this process.
        let flight = match job.check {
            true => Ok(None),
            false => self
                .run
                .ledger
                .begin(job.key, job.next_attempt(), now_ms())
                .map(|flight| Some(Arc::new(flight))),
        };
        let flight = match flight {
            Ok(flight) => flight,
            Err(error) => {
                self.queue.ended(&host, begun, Heard::Nothing, self.epoch.elapsed(), 0);
                self.leave_out(job);
                return self.fail(error.into());
            }
        };
        let path = self.folder.join(&job.target);
        let rate = self.rates.enter(&host);
        let landing = self.slots.landing();
        let (number, monitor) = self.monitor.enter(job.item.line, flight.as_ref(), landing);
        let share = Share::new(self.share(&host));
        let known = flight.as_ref().map(Arc::downgrade).unwrap_or_default();
        let slot = Slot { host: Arc::clone(&host), begun, share: share.clone(), flight: known };
        self.slots.hold(number, slot);
        self.monitor.tell(&Event::Started { item: &job.item, path: &path, monitor: &monitor });
        let what = download(&job, self.run.ledger.number(), path, self.options, rate, share);
        let (client, folder) = (self.client.clone(), self.folder.clone());
        let (target, seen, halt) = (job.target.clone(), monitor.clone(), self.halt.clone());
        // A download is a large future, which the runtime would move more than once; and as an argument
        // of this one it would be in it twice.
        self.tries.spawn_local(Box::pin(async move {
            let result = attempt(client, folder.clone(), target, what, seen, halt).await;
            let disk_is_full = is_disk_full(folder, &result).await;
            Tried { job, host, begun, number, monitor, flight, result, disk_is_full }
        }));
    }

    /// The connections for a file from this host.
    fn share(&self, host: &Arc<str>) -> NonZeroU16 {
        match self.read_all {
            true => self.queue.share(host, self.options.connections),
            // Whoever comes next wants one as well.
            false => NonZeroU16::MIN,
        }
    }

    /// The last files of a list get the connections of those that have ended.
    fn share_what_is_free(&mut self) {
        let left = self.queue.waiting().saturating_add(self.queue.running());
        if !self.read_all || left >= self.options.connections || self.shared_for == left {
            return;
        }
        self.shared_for = left;
        for slot in self.slots.held() {
            slot.share.set(self.share(&slot.host));
        }
    }

    /// If the list is longer than the window, counts it once, in parallel. Until then the remaining number
    /// is unknown; a list that is mostly done never gets here.
    fn count_the_list(&mut self) {
        if std::mem::replace(&mut self.counting, true) || self.monitor.shared().items.is_some() {
            return;
        }
        let source = self.run.source.clone().until(self.halt.clone(), Duration::ZERO);
        let monitor = self.monitor.clone();
        // What goes wrong here is found by the thread that reads; without a thread how much is left stays
        // unknown.
        drop(thread::begin(move || {
            if let Ok(found) = Inventory::take(&source) {
                monitor.counted(found.items);
            }
        }));
    }

    /// Starts nothing new; running downloads continue.
    pub(super) fn end(&mut self, why: Option<Early>) {
        self.ending = true;
        self.monitor.count(|summary| summary.ended = summary.ended.or(why));
    }

    /// The run cannot continue: running downloads are saved.
    pub(super) fn fail(&mut self, error: RunError) {
        self.error.get_or_insert(error);
        self.end(None);
        self.halt.stop();
    }
}

fn finished(tried: Result<Tried, JoinError>) -> Tried {
    match tried {
        Ok(tried) => tried,
        // Tasks are never cancelled here, so what is left is a fault of this program.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Waits until then; forever without a time.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
