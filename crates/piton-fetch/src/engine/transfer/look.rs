//! The regular look at the flow.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{SILENCE, Transfer};
use crate::plan::SegmentId;

/// A connection is not judged before this age.
const GRACE: Duration = Duration::from_secs(2);
/// Slower than this part of the mean of the others is too slow.
const CRAWL: f64 = 0.125;

impl Transfer {
    /// Looks at the flow: figures for the watchers, more connections, slow ones given up.
    pub(super) fn look(&mut self) {
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
}
