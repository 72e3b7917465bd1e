//! What the connections of one transfer share.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use piton_checkpoint::{Change, Identity, Strength};
use piton_durable::part::PartError;
use tokio::sync::{MutexGuard as Turn, Notify};
use tokio::time::Instant;

use super::exchange::{exchange, received};
use super::mirrors::{Origins, Sharing, Source, Sources, Trust};
use super::transfer_error::TransferError;
use crate::download::Download;
use crate::flow::Speed;
use crate::meta::Meta;
use crate::monitor::Monitor;
use crate::plan::{Planner, SegmentId};
use crate::resume::{Appearance, Begun, after, before};
use crate::sink::Sink;
use piton_remote::{Ask, ByteRange, Connection, Head, Remote, Reply};

/// What the connections of one transfer share.
pub(super) struct Job {
    pub(super) what: Download,
    pub(super) remote: Remote,
    pub(super) monitor: Monitor,
    pub(super) sink: Sink,
    pub(super) sources: Arc<Sources>,
    /// What the journal says of the download.
    meta: Mutex<Meta>,
    pub(super) sharing: Sharing,
    planner: Mutex<Planner>,
    origins: Mutex<Origins>,
    speed: Mutex<Speed>,
    fetched: AtomicU64,
    /// Places where two answers meet that were not compared there.
    seams: Mutex<BTreeSet<u64>>,
    pub(super) stopping: AtomicBool,
    stop: Notify,
    /// Only one connection is in use, so it may ask for all the rest at once.
    pub(super) alone: AtomicBool,
}

impl Job {
    pub(super) fn new(
        what: Download,
        remote: Remote,
        monitor: Monitor,
        sink: Sink,
        sources: Arc<Sources>,
        meta: Meta,
        planner: Planner,
    ) -> Self {
        let sharing = match (sources.several(), meta.judged_by) {
            (false, _) => Sharing::One,
            (true, Some(_)) => Sharing::SideBySide,
            (true, None) => Sharing::FailOver,
        };
        Self {
            what,
            remote,
            monitor,
            sink,
            sources,
            meta: Mutex::new(meta),
            sharing,
            planner: Mutex::new(planner),
            origins: Mutex::default(),
            speed: Mutex::new(Speed::new(Instant::now())),
            fetched: AtomicU64::new(0),
            seams: Mutex::default(),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            alone: AtomicBool::new(true),
        }
    }

    pub(super) fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who gave which bytes; kept only where there are several sources.
    pub(super) fn origins(&self) -> MutexGuard<'_, Origins> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that came over the network.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Bytes came in.
    pub(super) fn count(&self, source: &Source, bytes: u64, now: Instant) {
        source.count(bytes);
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
        self.speed.lock().unwrap_or_else(PoisonError::into_inner).add(bytes, now);
    }

    /// Bytes a second over all connections.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.speed.lock().unwrap_or_else(PoisonError::into_inner).at(now)
    }

    /// Tells the watchers how it stands.
    pub(super) fn show(&self, rate: f64, connections: u32, fronts: Vec<u64>) {
        let planner = self.planner();
        let mut shared = self.monitor.shared();
        shared.progress.size = planner.size();
        shared.progress.have = planner.done().len();
        shared.progress.fetched = self.fetched();
        shared.progress.rate = rate;
        shared.progress.connections = connections;
        shared.done = planner.done().clone();
        shared.fronts = fronts;
    }

    /// Whether bytes of this source must be compared with those that are here where they meet: before
    /// its first one, and at every seam if its validators prove too little and no digest judges.
    pub(super) fn wants_overlap(&self, source: &Source) -> bool {
        let judged = self.what.pieces_judge() || self.sharing == Sharing::SideBySide;
        !source.is_proven() || (!judged && source.is_doubtful())
    }

    /// Whether `source` has to be compared with what others gave before anything is taken from it.
    pub(super) fn needs_introduction(&self, source: &Source) -> bool {
        source.trust() == Trust::Stranger && self.sink.look(|here| !here.is_empty())
    }

    /// Whether a connection may be sent to `source` now.
    pub(super) fn may_ask(&self, source: &Source) -> bool {
        match self.sharing {
            Sharing::One => true,
            // Before it is compared with what another one gave, all of that is here.
            Sharing::FailOver => {
                self.sources.is_active(source) && !self.sources.others_work(source)
            }
            // It has to show that it has the file, by bytes that are here.
            Sharing::SideBySide => {
                let active = self.sources.is_active(source);
                active || source.is_proven() || !self.planner().done().is_empty()
            }
        }
    }

    /// Connections may work again after all had ended.
    pub(super) fn reopen(&self) {
        self.stopping.store(false, Ordering::Relaxed);
    }

    /// The question to `source` for a range, and the generation of the URL that is asked.
    pub(super) fn question(&self, source: &Source, first: u64, last: Option<u64>) -> (Ask, u32) {
        let range = Some(ByteRange { first, last });
        let (mut ask, generation) = source.question(range, &self.what.extra);
        ask.same_as = source.condition();
        (ask, generation)
    }

    /// While the URL has to be resolved again, one connection asks and the others wait for what
    /// it finds.
    pub(super) async fn turn_to_resolve<'a>(
        &self,
        source: &'a Source,
    ) -> Result<Option<Turn<'a, ()>>, TransferError> {
        if !source.is_expired() {
            return Ok(None);
        }
        let turn = tokio::select! {
            turn = source.turn() => turn,
            () = self.stopped() => return Err(TransferError::Stopped),
        };
        Ok(source.is_expired().then_some(turn))
    }

    /// Puts a question to `source`, as long as is allowed and nobody asks to stop.
    pub(super) async fn exchange(
        &self,
        source: &Source,
        connection: &mut Connection,
        question: &(Ask, u32),
    ) -> Result<Reply, TransferError> {
        let limit = source.standing().answer_timeout(self.what.answer_timeout());
        exchange(source, connection, question, limit, self.stopped()).await
    }

    /// Waits for bytes of a body, as long as is allowed and nobody asks to stop.
    pub(super) async fn received<T>(
        &self,
        source: &Source,
        bytes: impl Future<Output = T>,
    ) -> Result<T, TransferError> {
        received(|| source.host(), self.what.stall_timeout, bytes, self.stopped()).await
    }

    /// All connections are to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.notify_waiters();
    }

    async fn stopped(&self) {
        loop {
            let mut noticed = std::pin::pin!(self.stop.notified());
            noticed.as_mut().enable();
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            noticed.await;
        }
    }

    fn seams(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.seams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Two answers meet at `at` and were not compared there: the end waits for it.
    pub(super) fn open_seam(&self, at: u64) {
        self.seams().insert(at);
    }

    /// The answers that meet at `at` were compared there and agree.
    pub(super) fn close_seam(&self, at: u64) {
        self.seams().remove(&at);
    }

    /// The first open seam, if comparing is called for.
    pub(super) fn first_seam(&self) -> Option<u64> {
        let wanted = self.sources.alive().any(|source| self.wants_overlap(source));
        wanted.then(|| self.seams().first().copied()).flatten()
    }

    /// Joints within bytes that are to be fetched again are none any more; at their ends new ones
    /// come to be.
    pub(super) fn forget_seams(&self, range: &Range<u64>) {
        self.seams().retain(|at| *at < range.start || *at > range.end);
    }

    /// Whether an answer of `source` is a page in the place of the file.
    pub(super) fn is_other_page(&self, source: &Source, head: &Head) -> bool {
        let Some(identity) = source.identity() else { return false };
        let appearance = {
            let meta = self.meta.lock().unwrap_or_else(PoisonError::into_inner);
            meta.appearance.clone().unwrap_or_default()
        };
        Begun { identity, appearance }.is_displaced_by(&head.identity, || Appearance::of(head))
    }

    /// Changes what the journal says of the download.
    fn note(&self, change: impl FnOnce(&mut Meta)) -> Result<(), PartError> {
        let mut meta = self.meta.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut meta);
        self.sink.part().put_meta(&meta.to_json())
    }

    /// What to ask of `source` so as to work on `range`: a little more at either end where seams
    /// are to be compared, and all that is free behind it where no other connection will come.
    pub(super) fn reach(&self, source: &Source, range: &Range<u64>) -> (u64, Option<u64>) {
        let overlap = self.wants_overlap(source);
        let planner = self.planner();
        let (done, size) = (planner.done(), planner.size().unwrap_or(u64::MAX));
        let mut end = range.end;
        if self.alone.load(Ordering::Relaxed) {
            end = done.gaps(range.start..size).next().map_or(end, |gap| gap.end);
        }
        let mut first = range.start;
        if overlap {
            let overlaps = |here: &_| (before(here, range.start), after(here, end));
            let (in_front, behind) = self.sink.look(overlaps);
            first -= in_front;
            end += behind;
        }
        (first, (end != u64::MAX).then(|| end - 1))
    }

    /// How much one read may bring: all, or up to the end of the segment if the bytes behind it are
    /// to be compared there.
    pub(super) fn longest_read(&self, source: &Source, id: SegmentId, at: u64) -> usize {
        if !self.wants_overlap(source) {
            return usize::MAX;
        }
        let end = self.planner().segment(id).map_or(u64::MAX, |segment| segment.end);
        usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).max(1)
    }

    /// Whether an answer of `source` is of the version that is being fetched (G4). The first one of
    /// a mirror has only to have the right length: how its validators call the version says nothing
    /// about those of others.
    pub(super) fn check(&self, source: &Source, now: &Identity) -> Result<Strength, TransferError> {
        if let Some(checked) = source.check(now) {
            return checked;
        }
        match (self.planner().size(), now.size) {
            (Some(was), Some(is)) if was == is => {}
            (Some(was), Some(is)) => return Err(TransferError::Changed(Change::Size { was, is })),
            _ => return Err(TransferError::Changed(Change::Nameless)),
        }
        // Before a byte of it can be claimed: a later run has to know that there are several.
        self.note(|meta| meta.learn(&source.url, source.priority, now))?;
        source.set_identity(Some(now.clone()));
        Ok(now.best_strength().unwrap_or(Strength::Size))
    }
}
