//! How often checkpoints are made.

use std::time::{Duration, Instant};

/// How often checkpoints are made and how much a crash between them may cost (G2).
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A checkpoint is due after this time …
    pub interval: Duration,
    /// … or once this many bytes are unsynced,
    pub bytes: u64,
    /// but syncing may take at most one part in this many of the time.
    pub share: u32,
    /// What one connection may have unsynced, whatever its speed, in bytes.
    pub floor: u64,
    /// What one connection may have unsynced, as time at its own speed.
    pub window: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            bytes: 16 << 20,
            share: 20,
            floor: 8 << 20,
            window: Duration::from_secs(1),
        }
    }
}

impl Pace {
    /// What a connection that moves `rate` bytes a second may have unsynced before it has to wait.
    pub fn allowance(&self, rate: f64) -> u64 {
        self.floor.max((rate * self.window.as_secs_f64()) as u64)
    }
}

/// Decides when the next checkpoint is due.
#[derive(Debug)]
pub struct Cadence {
    pace: Pace,
    ended: Instant,
    took: Duration,
}

impl Cadence {
    /// A cadence that begins now.
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, ended: now, took: Duration::ZERO }
    }

    /// How long to wait from `now` before a checkpoint of `unsynced` bytes; zero when it is due.
    ///
    /// `pressed` means that a connection is near its allowance: it would wait for the sync, so the
    /// share of time that syncing may take no longer counts.
    pub fn wait(&self, now: Instant, unsynced: u64, pressed: bool) -> Duration {
        if pressed {
            return Duration::ZERO;
        }
        let rest = self.took * (self.pace.share.saturating_sub(1));
        let wanted = if unsynced >= self.pace.bytes { Duration::ZERO } else { self.pace.interval };
        (self.ended + wanted.max(rest)).saturating_duration_since(now)
    }

    /// A checkpoint ended at `now` after `took`.
    pub fn ended(&mut self, now: Instant, took: Duration) {
        self.ended = now;
        self.took = took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn half_a_second_or_sixteen_mebibytes() {
        let t0 = Instant::now();
        let cadence = Cadence::new(Pace::default(), t0);
        assert_eq!(cadence.wait(t0, MIB, false), Duration::from_millis(500));
        assert_eq!(cadence.wait(t0, 16 * MIB, false), Duration::ZERO);
        assert_eq!(cadence.wait(t0 + Duration::from_secs(1), MIB, false), Duration::ZERO);
    }

    #[test]
    fn a_slow_disk_stretches_it_unless_a_connection_would_wait() {
        let t0 = Instant::now();
        let mut cadence = Cadence::new(Pace::default(), t0);
        cadence.ended(t0, Duration::from_millis(100));
        assert_eq!(cadence.wait(t0, 64 * MIB, false), Duration::from_millis(1900));
        assert_eq!(cadence.wait(t0, 64 * MIB, true), Duration::ZERO);
    }

    #[test]
    fn the_allowance_grows_with_the_speed() {
        let pace = Pace::default();
        assert_eq!(pace.allowance(1e6), 8 * MIB);
        assert_eq!(pace.allowance(1e9), 1_000_000_000);
    }
}
