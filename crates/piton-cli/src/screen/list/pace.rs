//! The speed of a list, from figures that are polled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates are computed over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Figures are kept in steps of this.
const STEP: Duration = Duration::from_millis(250);
/// The interval between lines of progress in a log.
const EVERY: Duration = Duration::from_secs(10);

/// The figures of the last seconds.
#[derive(Debug, Default)]
pub(in crate::screen) struct Pace {
    /// When, files, bytes; oldest first.
    noted: VecDeque<(Instant, u64, u64)>,
}

/// Figures that are written to a log from time to time.
#[derive(Debug, Default)]
pub(in crate::screen) struct Log {
    pace: Pace,
    /// When they were last written, or the first ones came.
    last: Option<Instant>,
}

impl Log {
    /// Records the files and bytes so far; returns the rates if a line is due.
    pub(in crate::screen) fn due(&mut self, at: Instant, files: u64, bytes: u64) -> Option<Rates> {
        let rates = self.pace.note(at, files, bytes);
        let last = *self.last.get_or_insert(at);
        let is_due = at.duration_since(last) >= EVERY;
        if is_due {
            self.last = Some(at);
        }
        is_due.then_some(rates)
    }
}

/// Rates at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::screen) struct Rates {
    /// Per second.
    pub(in crate::screen) files: f64,
    /// Per second.
    pub(in crate::screen) bytes: f64,
}

impl Pace {
    /// Records the files and bytes so far; returns the rates since the oldest figures kept.
    pub(in crate::screen) fn note(&mut self, at: Instant, files: u64, bytes: u64) -> Rates {
        while self.noted.get(1).is_some_and(|(then, ..)| at.duration_since(*then) >= WINDOW) {
            self.noted.pop_front();
        }
        let rates = self.noted.front().map(|&(then, old_files, old_bytes)| {
            let seconds = at.duration_since(then).as_secs_f64().max(0.001);
            let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
            Rates { files: rate(files, old_files), bytes: rate(bytes, old_bytes) }
        });
        if self.noted.back().is_none_or(|(then, ..)| at.duration_since(*then) >= STEP) {
            self.noted.push_back((at, files, bytes));
        }
        rates.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.note(start, 100, 5), Rates::default());
        let mut last = Rates::default();
        for tenth in 1..=200_u64 {
            // Ten files a second for ten seconds, then twenty.
            let files = 100 + tenth.min(100) + 2 * tenth.saturating_sub(100);
            last = pace.note(start + Duration::from_millis(100 * tenth), files, 5);
            assert!(pace.noted.len() <= 45, "bounded");
            if tenth == 100 {
                assert!((9.9..10.1).contains(&last.files), "{last:?}");
            }
        }
        assert!((19.5..20.1).contains(&last.files), "{last:?}");
        assert_eq!(last.bytes, 0.0);
    }
}
