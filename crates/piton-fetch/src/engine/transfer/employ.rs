//! Whom connections are sent to, and with what.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{SILENCE, Transfer};
use crate::engine::compare::prove;
use crate::engine::mirrors::Source;
use crate::engine::worker::{Claimed, Engaged, work};

/// A segment is not fetched a second time before this age: its rate is not known yet.
const YOUTH: Duration = Duration::from_millis(500);

impl Transfer {
    /// Starts connections while there should be more and there is work for them.
    pub(super) fn employ(&mut self) {
        let now = Instant::now();
        while self.ranged && (self.workers.len() as u32) < self.count.target() {
            let job = Arc::clone(&self.job);
            let Some(source) = self.whom(now) else { break };
            let segment = {
                let mut planner = job.planner();
                let old = |id| self.ages.get(&id).is_some_and(|&since| now - since > YOUTH);
                let segment = planner.next();
                segment.or_else(|| (self.count.target() > 1).then(|| planner.race(old)).flatten())
            };
            let Some(segment) = segment else { break };
            let claimed = Claimed::new(&job, segment);
            job.alone.store(self.count.target() == 1, Ordering::Relaxed);
            let (lane, engaged) = (job.transport.lane(), Engaged::new(Arc::clone(&source)));
            self.spawn(&source, false, work(lane, engaged, claimed, None));
        }
    }

    /// Whom to send the next connection to. A mirror waits until there are bytes by which it can show
    /// that it has the file, and the place that is meant for it is kept free so long.
    fn whom(&self, now: Instant) -> Option<Arc<Source>> {
        let (job, sources) = (&self.job, &self.job.sources);
        let source = sources.choose(|_| true)?;
        if job.may_ask(&source) {
            return Some(source);
        }
        let reference = sources.iter().find(|source| sources.is_reference(source))?;
        let idle = reference.working.load(Ordering::Relaxed) == 0;
        if idle && let Some(reference) = sources.choose(|source| sources.is_reference(source)) {
            return Some(reference);
        }
        // The first one answered and gave nothing, and cannot be asked now or is silent: what the next
        // one has counts from now on.
        (idle || now - self.heard.1 > SILENCE).then(|| {
            reference.set_proven(false);
            source.set_proven(true);
            sources.refer_to(&source);
            source
        })
    }

    /// Has the next place compared where answers met unproven: by the source that the others have to
    /// agree with, if that can be asked now.
    pub(super) fn prove(&mut self, joint: u64) {
        if self.proving {
            return;
        }
        let sources = &self.job.sources;
        let reference = sources.choose(|source| sources.is_reference(source));
        let Some(source) = reference.or_else(|| sources.choose(|_| true)) else { return };
        self.proving = true;
        let (job, lane) = (Arc::clone(&self.job), self.job.transport.lane());
        let engaged = Engaged::new(Arc::clone(&source));
        self.spawn(&source, true, prove(job, lane, engaged, joint));
    }
}
