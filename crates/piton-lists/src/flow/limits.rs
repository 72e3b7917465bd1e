//! How much may be done in parallel.

use std::num::NonZeroUsize;
use std::time::Duration;

use piton_checkpoint::Backoff;

/// How much may be done in parallel, and how the load on hosts is limited.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Files in parallel.
    pub jobs: NonZeroUsize,
    /// Files in parallel from one host.
    pub per_host: NonZeroUsize,
    /// The pause between the starts of two files from the same host.
    pub wait: Duration,
    /// Vary each of these pauses at random between 0.5 and 1.5 times [`Limits::wait`].
    pub random_wait: bool,
    /// The minimum time between two starts at one host: one second divided by the allowed requests per
    /// second. Not varied, unlike [`Limits::wait`].
    pub spacing: Duration,
    /// How long to leave a host alone that fails as a whole (no connection, no answer, 429, 503); longer
    /// with each such failure in a row. If it asks for more (Retry-After), that applies.
    pub backoff: Backoff,
    /// A host that has not answered successfully in this run is given up, rather than asked again, this
    /// long after its first failure.
    pub patience_at_first: Duration,
    /// A host that has answered successfully is given up, rather than asked again, this long after the
    /// first of its failures in a row. While others answer, waiting costs nothing, and this starts over.
    pub patience: Duration,
    /// The same if it does not answer at all: a lost network comes back.
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
