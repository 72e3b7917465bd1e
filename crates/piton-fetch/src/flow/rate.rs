use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

/// A rate shared by everyone who holds a clone: a token bucket that may go into debt.
///
/// A taker takes what it has already received and then waits until the debt is paid, so that the
/// long-term rate is exact while reads stay large.
#[derive(Debug, Clone)]
pub struct RateLimit {
    bytes_per_second: f64,
    bucket: Arc<Mutex<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    /// When all that was taken so far is paid for.
    paid: Instant,
}

/// What may be taken at once after a pause, as time.
const BURST: Duration = Duration::from_millis(50);

impl RateLimit {
    /// At most this many bytes a second (at least 1).
    pub fn new(bytes_per_second: u64) -> Self {
        let bucket = Bucket { paid: Instant::now() };
        Self {
            bytes_per_second: bytes_per_second.max(1) as f64,
            bucket: Arc::new(Mutex::new(bucket)),
        }
    }

    /// How much one read may ask for so that the flow stays smooth: a tenth of a second's worth.
    pub fn read_size(&self) -> usize {
        ((self.bytes_per_second / 10.0) as usize).max(1)
    }

    /// Takes `bytes` and says how long to wait before the next read.
    pub fn take(&self, bytes: usize) -> Duration {
        let now = Instant::now();
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut bucket = self.bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bucket.paid = bucket.paid.max(now.checked_sub(BURST).unwrap_or(now)) + cost;
        bucket.paid.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_long_term_rate_is_exact_and_shared() {
        let limit = RateLimit::new(1_000_000);
        let other = limit.clone();
        let start = Instant::now();
        for _ in 0..50 {
            tokio::time::sleep(limit.take(50_000)).await;
            tokio::time::sleep(other.take(50_000)).await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((4.9..5.1).contains(&took), "{took}");
    }
}
