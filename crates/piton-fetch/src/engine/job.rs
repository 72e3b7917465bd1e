use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use piton_checkpoint::{Change, Identity, Rung, Verdict};
use tokio::sync::{MutexGuard as Turn, Notify};
use tokio::time::{Instant, timeout};
use url::Url;

use super::trouble::Trouble;
use crate::download::Download;
use crate::flow::Speed;
use crate::monitor::Monitor;
use crate::plan::{Planner, SegmentId};
use crate::resume::{after, before};
use crate::sink::Sink;
use crate::transport::{ByteRange, Request, Transport};

/// What the connections of one transfer share.
pub(super) struct Job {
    pub(super) what: Download,
    pub(super) transport: Transport,
    pub(super) monitor: Monitor,
    pub(super) sink: Sink,
    /// Which version is being fetched: what the first answer said.
    pub(super) identity: Identity,
    planner: Mutex<Planner>,
    link: Mutex<Link>,
    speed: Mutex<Speed>,
    fetched: AtomicU64,
    /// Old bytes were not yet compared with what the server has now.
    unproven: AtomicBool,
    /// The nodes of the farm call the same version by different tags: compare every joint.
    distrust: AtomicBool,
    /// `If-Range` is sent while the server copes with it.
    pub(super) if_range: AtomicBool,
    /// Connections over which an answer is coming in.
    pub(super) serving: AtomicU32,
    /// Places where two answers meet that were not compared there.
    joints: Mutex<BTreeSet<u64>>,
    pub(super) stopping: AtomicBool,
    stop: Notify,
    /// Held by the connection that resolves the address again for all.
    turn: tokio::sync::Mutex<()>,
    /// Only one connection is in use, so it may ask for all the rest at once.
    pub(super) alone: AtomicBool,
}

/// The address that is asked, and the one it came from.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Before redirects: the one to keep.
    pub(super) original: Url,
    /// Where redirects led to, asked directly from then on.
    pub(super) resolved: Option<Url>,
    /// Rises with every resolution, so that many connections that fail together resolve once.
    pub(super) generation: u32,
    /// Where redirects led to serves no more, and no new answer came yet.
    expired: bool,
}

impl Link {
    pub(super) fn new(original: Url) -> Self {
        Self { original, resolved: None, generation: 0, expired: false }
    }

    /// The address to ask now.
    pub(super) fn address(&self) -> &Url {
        self.resolved.as_ref().unwrap_or(&self.original)
    }
}

impl Job {
    #[expect(clippy::too_many_arguments, reason = "built in one place")]
    pub(super) fn new(
        what: Download,
        transport: Transport,
        monitor: Monitor,
        sink: Sink,
        identity: Identity,
        planner: Planner,
        link: Link,
        unproven: bool,
        if_range: bool,
    ) -> Self {
        Self {
            what,
            transport,
            monitor,
            sink,
            identity,
            planner: Mutex::new(planner),
            link: Mutex::new(link),
            speed: Mutex::new(Speed::new(Instant::now())),
            fetched: AtomicU64::new(0),
            unproven: AtomicBool::new(unproven),
            distrust: AtomicBool::new(false),
            if_range: AtomicBool::new(if_range),
            serving: AtomicU32::new(0),
            joints: Mutex::default(),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            alone: AtomicBool::new(true),
        }
    }

    pub(super) fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host that is asked.
    pub(super) fn host(&self) -> String {
        self.link().address().host_str().unwrap_or_default().to_owned()
    }

    /// Bytes that came over the network.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Bytes came in.
    pub(super) fn count(&self, bytes: u64, now: Instant) {
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

    /// Whether old bytes must be compared before new ones are joined to them at this place.
    pub(super) fn wants_overlap(&self) -> bool {
        self.unproven.load(Ordering::Relaxed)
            || self.distrust.load(Ordering::Relaxed)
            || self.identity.best_rung().is_none_or(Rung::wants_overlap)
    }

    /// Connections may work again after all had ended.
    pub(super) fn reopen(&self) {
        self.stopping.store(false, Ordering::Relaxed);
    }

    /// From now on every joint is compared.
    pub(super) fn distrust(&self) {
        self.distrust.store(true, Ordering::Relaxed);
    }

    /// Old bytes were compared and agree.
    pub(super) fn proven(&self) {
        self.unproven.store(false, Ordering::Relaxed);
    }

    /// The request for a range, the address that the user gave (only its origin is told logins),
    /// and the generation of the address that is asked.
    pub(super) fn request(&self, first: u64, last: Option<u64>) -> (Request, Url, u32) {
        let link = self.link();
        let mut request = Request::new(link.address().clone());
        request.range = Some(ByteRange { first, last });
        if self.if_range.load(Ordering::Relaxed) {
            request.if_range =
                self.identity.strong_tag().and_then(|tag| HeaderValue::try_from(tag).ok());
        }
        (request, link.original.clone(), link.generation)
    }

    /// An answer came from `url`: ask there directly from now on.
    pub(super) fn resolved(&self, url: &Url, redirected: bool, generation: u32) {
        let mut link = self.link();
        if link.generation == generation {
            link.expired = false;
            if redirected && link.resolved.is_none() {
                link.resolved = Some(url.clone());
            }
        }
    }

    /// The address that redirects led to serves no more. Returns whether asking the original one
    /// again can help.
    pub(super) fn resolve_again(&self, generation: u32) -> bool {
        let mut link = self.link();
        if link.generation == generation && link.resolved.take().is_some() {
            link.generation += 1;
            link.expired = true;
        }
        link.generation > generation
    }

    /// While the address has to be resolved again, one connection asks and the others wait for what
    /// it finds.
    pub(super) async fn turn_to_resolve(&self) -> Result<Option<Turn<'_, ()>>, Trouble> {
        if !self.link().expired {
            return Ok(None);
        }
        let turn = tokio::select! {
            turn = self.turn.lock() => turn,
            () = self.stopped() => return Err(Trouble::Stopped),
        };
        Ok(self.link().expired.then_some(turn))
    }

    /// Waits for the server, as long as is allowed and nobody asks to stop.
    pub(super) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, Trouble> {
        let after = self.what.stall_timeout;
        tokio::select! {
            answer = timeout(after, answer) => {
                answer.map_err(|_| Trouble::Stalled { host: self.host(), after })
            }
            () = self.stopped() => Err(Trouble::Stopped),
        }
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

    /// Places where two answers meet that were not compared there.
    pub(super) fn joints(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.joints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of them, if comparing is called for.
    pub(super) fn open_joint(&self) -> Option<u64> {
        self.wants_overlap().then(|| self.joints().first().copied()).flatten()
    }

    /// What to ask for so as to work on `range`: a little more at either end where joints are to be
    /// compared, and all that is free behind it where no other connection will come.
    pub(super) fn reach(&self, range: &Range<u64>) -> (u64, Option<u64>) {
        let overlap = self.wants_overlap();
        let planner = self.planner();
        let (done, size) = (planner.done(), planner.size().unwrap_or(u64::MAX));
        let mut end = range.end;
        if self.alone.load(Ordering::Relaxed) {
            end = done.gaps(range.start..size).next().map_or(end, |gap| gap.end);
        }
        let mut first = range.start;
        if overlap {
            first -= before(done, first);
            end += after(done, end);
        }
        (first, (end != u64::MAX).then(|| end - 1))
    }

    /// How much one read may bring: all, or up to the end of the segment if the bytes behind it are
    /// to be compared there.
    pub(super) fn longest_read(&self, id: SegmentId, at: u64) -> usize {
        if !self.wants_overlap() {
            return usize::MAX;
        }
        let end = self.planner().segment(id).map_or(u64::MAX, |segment| segment.end);
        usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).max(1)
    }

    /// Whether an answer is of the version that is being fetched (G4).
    pub(super) fn check(&self, now: &Identity) -> Result<Rung, Trouble> {
        match self.identity.compare(now) {
            Verdict::Same(rung) => Ok(rung),
            Verdict::Changed(change) => Err(Trouble::Changed(change)),
            Verdict::Unknown => Err(Trouble::Changed(Change::Nameless)),
        }
    }
}
