use std::num::NonZeroUsize;
use std::time::Duration;

use piton_checkpoint::Backoff;

/// How much may be done at a time, and how hosts are spared.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Files at once.
    pub jobs: NonZeroUsize,
    /// Files at once from one host.
    pub per_host: NonZeroUsize,
    /// The pause from the start of one file to the start of the next from the same host.
    pub wait: Duration,
    /// Draw each of these pauses from between half of [`Limits::wait`] and one and a half of it.
    pub random_wait: bool,
    /// The least time between two starts at one host: a second divided by the requests per second
    /// that are allowed. Not drawn, unlike [`Limits::wait`].
    pub spacing: Duration,
    /// How long a host is left alone that fails as a whole (no connection, 429, 503) and does not say
    /// how long; longer with each such failure in a row.
    pub backoff: Backoff,
    /// After so many of these in a row, with pauses between them, a host is given up in this run.
    pub give_up_after: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs: NonZeroUsize::MIN.saturating_add(15),
            per_host: NonZeroUsize::MIN.saturating_add(7),
            wait: Duration::ZERO,
            random_wait: false,
            spacing: Duration::ZERO,
            backoff: Backoff {
                first: Duration::from_millis(500),
                longest: Duration::from_secs(60),
            },
            give_up_after: 20,
        }
    }
}

impl Limits {
    /// The time from a start at a host to the next one there; `random` is any 64 random bits.
    pub(super) fn interval(&self, random: u64) -> Duration {
        let share = if self.random_wait { 0.5 + random as f64 / u64::MAX as f64 } else { 1.0 };
        self.wait.mul_f64(share.clamp(0.5, 1.5)).max(self.spacing)
    }
}
