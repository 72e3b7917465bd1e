//! Whom connections are sent to, and with what.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{SILENCE, Transfer};
use crate::engine::compare::prove;
use crate::engine::mirrors::{Sharing, Source, SourceId, Trust};
use crate::engine::worker::{ConnectionPermit, SegmentLease, work};

/// A segment is not fetched a second time before this age: its rate is not known yet.
const YOUTH: Duration = Duration::from_millis(500);

impl Transfer {
    /// Starts connections while there should be more and there is work for them.
    pub(super) fn start_connections(&mut self) {
        let now = Instant::now();
        while self.ranged && (self.workers.len() as u32) < self.count.target() {
            let job = Arc::clone(&self.job);
            let Some(source) = self.pick_source(now) else { break };
            let segment = {
                let mut planner = job.planner();
                let old = |id| self.ages.get(&id).is_some_and(|&since| now - since > YOUTH);
                let segment = planner.next();
                segment.or_else(|| (self.count.target() > 1).then(|| planner.race(old)).flatten())
            };
            let Some(segment) = segment else { break };
            let lease = SegmentLease::new(&job, segment);
            job.alone.store(self.count.target() == 1, Ordering::Relaxed);
            let (connection, permit) =
                (job.remote.connection(), ConnectionPermit::new(Arc::clone(&source)));
            self.spawn(&source, false, work(connection, permit, lease, None));
        }
    }

    /// Whom to send the next connection to. Side by side, a mirror waits until there are bytes by which it
    /// can show that it has the file, and the place that is meant for it is kept free so long.
    fn pick_source(&self, now: Instant) -> Option<Arc<Source>> {
        let (job, sources) = (&self.job, &self.job.sources);
        let active = sources.active()?;
        let source = match job.sharing {
            Sharing::FailOver => sources.choose(|source| source.id == active.id),
            Sharing::One | Sharing::SideBySide => sources.choose(|_| true),
        };
        if let Some(source) = source.filter(|source| job.may_ask(source)) {
            return Some(source);
        }
        if !job.planner().done().is_empty() {
            return None;
        }
        let idle = active.working.load(Ordering::Relaxed) == 0;
        if idle && let Some(active) = sources.choose(|source| source.id == active.id) {
            return Some(active);
        }
        let silent = now - self.heard.1 > SILENCE;
        if !(idle || silent) {
            return None;
        }
        // The active one answered and gave nothing, and cannot be asked now or is silent: what the next one
        // gives is the first.
        let next = sources.choose(|source| source.id != active.id)?;
        active.set_trust(Trust::Stranger);
        sources.activate(&next);
        self.call_back(active.id);
        Some(next).filter(|next| job.may_ask(next))
    }

    /// Ends the connections of a source. To drop one is like a kill: nothing is half written.
    pub(super) fn call_back(&self, source: SourceId) {
        let of_source = self.sent.iter().filter(|(other, _)| *other == source);
        of_source.for_each(|(_, handle)| handle.abort());
    }

    /// Has the next place compared where answers met unproven.
    pub(super) fn prove(&mut self, seam: u64) {
        if self.proving {
            return;
        }
        let job = Arc::clone(&self.job);
        let Some(source) = job.sources.choose(|source| job.may_ask(source)) else { return };
        self.proving = true;
        let (connection, permit) =
            (job.remote.connection(), ConnectionPermit::new(Arc::clone(&source)));
        self.spawn(&source, true, prove(job, connection, permit, seam));
    }
}
