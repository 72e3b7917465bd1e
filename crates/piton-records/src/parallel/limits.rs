//! How much may fail, and how fast attempts may follow each other.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many records may fail before the job stops.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum MaxFailures {
    /// So many.
    Count(u64),
    /// So many of a hundred, counted from the hundredth record on.
    Percent(f64),
}

/// Of fewer records no share is counted.
const SHARE_FROM: u64 = 100;

impl MaxFailures {
    /// Whether so many failures among so many records are too many.
    pub(crate) fn exceeded(self, failed: u64, records: u64) -> bool {
        match self {
            Self::Count(most) => failed > most,
            Self::Percent(most) => {
                records >= SHARE_FROM && failed as f64 * 100.0 > most * records as f64
            }
        }
    }
}

/// Attempts at even distances.
pub(crate) struct Pace {
    every: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: f64) -> Self {
        let every = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Self { every, next: Mutex::new(Instant::now()) }
    }

    /// How long this attempt has to wait.
    pub(crate) fn wait(&self) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let at = (*next).max(now);
        *next = at.checked_add(self.every).unwrap_or(at);
        at - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_from_the_hundredth_record() {
        let most = MaxFailures::Percent(5.0);
        assert!(!most.exceeded(99, 99));
        assert!(!most.exceeded(5, 100) && most.exceeded(6, 100));
        assert!(!MaxFailures::Count(2).exceeded(2, 2) && MaxFailures::Count(2).exceeded(3, 9));
    }

    #[test]
    fn attempts_follow_at_even_distances() {
        let pace = Pace::new(10.0);
        let waits = [pace.wait(), pace.wait(), pace.wait()];
        assert!(waits[0].is_zero());
        assert!(waits[2] > Duration::from_millis(150) && waits[2] <= Duration::from_millis(200));
    }
}
