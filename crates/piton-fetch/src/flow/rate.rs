//! A rate limit that many share.

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
    /// A wider limit that counts as well.
    wider: Option<Box<RateLimit>>,
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
            wider: None,
        }
    }

    /// A limit of its own, at most this many bytes a second, that counts against this one as well: one
    /// for a host, below the one for all.
    pub fn below(&self, bytes_per_second: u64) -> Self {
        Self { wider: Some(Box::new(self.clone())), ..Self::new(bytes_per_second) }
    }

    /// How much one read may ask for so that the flow stays smooth: a tenth of a second's worth.
    pub fn read_size(&self) -> usize {
        let own = ((self.bytes_per_second / 10.0) as usize).max(1);
        self.wider.as_ref().map_or(own, |wider| own.min(wider.read_size()))
    }

    /// Takes `bytes` and says how long to wait before the next read.
    pub fn take(&self, bytes: usize) -> Duration {
        let now = Instant::now();
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut bucket = self.bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bucket.paid = bucket.paid.max(now.checked_sub(BURST).unwrap_or(now)) + cost;
        let own = bucket.paid.saturating_duration_since(now);
        drop(bucket);
        self.wider.as_ref().map_or(own, |wider| own.max(wider.take(bytes)))
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

    #[tokio::test(start_paused = true)]
    async fn a_narrower_limit_counts_against_the_wider_one() {
        let all = RateLimit::new(1_000_000);
        let (one, other) = (all.below(400_000), all.below(400_000));
        let start = Instant::now();
        for _ in 0..20 {
            tokio::time::sleep(one.take(40_000)).await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((1.9..2.1).contains(&took), "{took}");
        // Both together and a third: the wider one holds.
        let third = all.below(u64::MAX);
        assert_eq!(third.read_size(), 100_000);
        let start = Instant::now();
        for _ in 0..20 {
            let pauses = [one.take(30_000), other.take(30_000), third.take(90_000)];
            tokio::time::sleep(pauses.into_iter().max().unwrap_or_default()).await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((2.9..3.1).contains(&took), "{took}");
    }
}
