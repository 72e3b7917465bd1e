//! How fast bytes come.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second, smoothed over about a second, and falling while nothing comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    rate: f64,
    since: Instant,
    pending: u64,
    begun: Instant,
    total: u64,
}

const SMOOTHING: f64 = 1.0;
const STEP: Duration = Duration::from_millis(100);

impl Speed {
    pub(crate) fn new(now: Instant) -> Self {
        Self { rate: 0.0, since: now, pending: 0, begun: now, total: 0 }
    }

    /// Bytes came in.
    pub(crate) fn add(&mut self, bytes: u64, now: Instant) {
        self.pending += bytes;
        self.total += bytes;
        let step = now - self.since;
        if step >= STEP {
            self.rate = self.blend(step);
            self.since = now;
            self.pending = 0;
        }
    }

    /// The speed now, in bytes a second.
    pub(crate) fn at(&self, now: Instant) -> f64 {
        let step = now.saturating_duration_since(self.since);
        if step < STEP { self.rate } else { self.blend(step) }
    }

    fn blend(&self, step: Duration) -> f64 {
        let seconds = step.as_secs_f64();
        let age = (self.since - self.begun).as_secs_f64();
        // While young, the plain mean: an average that starts from zero would look slow.
        if age < SMOOTHING {
            return self.total as f64 / (age + seconds);
        }
        let keep = (-seconds / SMOOTHING).exp();
        self.rate * keep + self.pending as f64 / seconds * (1.0 - keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_while_nothing_comes() {
        let start = Instant::now();
        let mut speed = Speed::new(start);
        let mut now = start;
        for _ in 0..30 {
            now += Duration::from_millis(100);
            speed.add(1_000_000, now);
        }
        assert!((9.5e6..10.5e6).contains(&speed.at(now)), "{}", speed.at(now));
        assert!(speed.at(now + Duration::from_secs(5)) < 0.1e6);
    }
}
