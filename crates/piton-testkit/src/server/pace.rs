//! Byte rates.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::halt::Halt;

/// How far behind its schedule a pace may be and still catch up: long enough for a busy machine to
/// keep the rate, short enough that no burst follows an idle time.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Lets so many bytes per second pass. The schedule is absolute, so that late wake-ups do not add
/// up.
#[derive(Debug)]
pub(super) struct Pace {
    rate: u64,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), next: Mutex::new(None) }
    }

    /// A good number of bytes for one write: a hundredth of a second.
    pub(super) fn piece(&self) -> u64 {
        (self.rate / 100).max(1)
    }

    /// Returns when `bytes` more may pass; an error when the server stops.
    pub(super) fn wait(&self, bytes: u64, halt: &Halt) -> io::Result<()> {
        let due = {
            let mut next = self.next.lock().unwrap();
            let now = Instant::now();
            let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
            let start = next.map_or(now, |next| next.max(earliest));
            let due = start + Duration::from_secs_f64(bytes as f64 / self.rate as f64);
            *next = Some(due);
            due
        };
        halt.sleep(due.saturating_duration_since(Instant::now()))
    }
}
