//! Whether to try again, after what pause, and how often.

use std::time::Duration;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again after a pause, keeping all progress.
    Transient,
    /// The URL that a redirect led to no longer works: start over from the first URL.
    ResolveAgain,
    /// No number of tries helps.
    Fatal,
}

/// Pauses that double, with jitter, so that many clients do not come back at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(15) }
    }
}

impl Backoff {
    /// For servers that limit requests by the minute: eight pauses are two minutes at least.
    pub const BY_THE_MINUTE: Self =
        Self { first: Duration::from_secs(2), longest: Duration::from_secs(60) };

    /// The pause before try number `tries` (1 is the first repetition). `random` is any 64 random
    /// bits; they choose between half the pause and the whole of it.
    pub fn pause(&self, tries: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1u32 << tries.saturating_sub(1).min(20));
        let whole = doubled.min(self.longest);
        let share = (random >> 32) as f64 / f64::from(u32::MAX);
        whole.mul_f64(0.5 + share / 2.0)
    }
}

/// How many failures in a row are tolerated. Progress refills it: a server that resets every 700 KB is
/// slow, not broken.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    limit: u32,
    spent: u32,
}

impl Budget {
    /// A budget of `limit` failures in a row.
    pub fn new(limit: u32) -> Self {
        Self { limit, spent: 0 }
    }

    /// Spends one failure; `None` when none is left, else the number of this repetition.
    pub fn spend(&mut self) -> Option<u32> {
        (self.spent < self.limit).then(|| {
            self.spent += 1;
            self.spent
        })
    }

    /// Progress was made.
    pub fn refill(&mut self) {
        self.spent = 0;
    }

    /// Failures since the last progress.
    pub fn spent(&self) -> u32 {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_downwards() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(1, u64::MAX), Duration::from_millis(100));
        assert_eq!(backoff.pause(1, 0), Duration::from_millis(50));
        assert_eq!(backoff.pause(3, u64::MAX), Duration::from_millis(400));
        assert_eq!(backoff.pause(400, u64::MAX), Duration::from_secs(15));
    }

    #[test]
    fn progress_refills_the_budget() {
        let mut budget = Budget::new(2);
        assert_eq!((budget.spend(), budget.spend(), budget.spend()), (Some(1), Some(2), None));
        budget.refill();
        assert_eq!(budget.spend(), Some(1));
    }
}
