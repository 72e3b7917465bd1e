//! How much may be done at a time.

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
    /// How long a host is left alone that fails as a whole (no connection, no answer, 429, 503); longer
    /// with each such failure in a row. Where it asks for more (Retry-After) it gets that.
    pub backoff: Backoff,
    /// A host that has answered nothing well in this run is given up in it rather than asked again so
    /// long after its first failure.
    pub patience_at_first: Duration,
    /// One that has answered well is given up rather than asked again so long after the first of its
    /// failures in a row. While others answer well, waiting costs nothing, and this starts over.
    pub patience: Duration,
    /// The same where it does not answer at all: the network that is gone comes back.
    pub patience_away: Duration,
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
                longest: Duration::from_secs(15),
            },
            patience_at_first: Duration::from_secs(30),
            patience: Duration::from_secs(120),
            patience_away: Duration::from_secs(300),
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
