//! Whether a body comes in fast enough to be worth its connection: a server that sends a byte now and then
//! is never silent, and would hold one for ever.

use std::time::{Duration, Instant};

/// The least that has to come in while a body is waited for. Time in which nobody waits (a rate limit of
/// ours, a slow disk) does not count: what came in meanwhile is there at the next read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes a second, as a mean over `over`.
    pub bytes: u64,
    /// So much time of waiting is looked at as a whole.
    pub over: Duration,
}

impl MinRate {
    /// 32 bytes a second over a minute: two packets. Slower than that is no link that anybody has, also
    /// where many connections share it.
    pub const DEFAULT: Self = Self { bytes: 32, over: Duration::from_secs(60) };
}

/// What one body brought, and how long it was waited for.
#[derive(Debug)]
pub(super) struct Pace {
    least: Option<MinRate>,
    since: Option<Instant>,
    waited: Duration,
    came: u64,
}

impl Pace {
    pub(super) fn new(least: Option<MinRate>) -> Self {
        Self { least, since: None, waited: Duration::ZERO, came: 0 }
    }

    /// Nothing is there.
    pub(super) fn wait(&mut self) {
        if self.least.is_some() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Bytes came in. Returns what is asked for, if they were too few for too long.
    pub(super) fn came(&mut self, bytes: usize) -> Option<MinRate> {
        self.came = self.came.saturating_add(bytes as u64);
        let least = self.least?;
        // Only at the end of a wait: what comes at once is never too slow.
        self.waited = self.waited.saturating_add(self.since.take()?.elapsed());
        if self.waited < least.over {
            return None;
        }
        let is_slow = (self.came as f64) < least.bytes as f64 * self.waited.as_secs_f64();
        (self.waited, self.came) = (Duration::ZERO, 0);
        is_slow.then_some(least)
    }
}
