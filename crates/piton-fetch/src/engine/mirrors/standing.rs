//! How one source fares.

use std::time::Duration;

use piton_checkpoint::{Backoff, Budget};
use tokio::time::Instant;

/// How one source fares: what it brings, and what it costs.
#[derive(Debug)]
pub(in crate::engine) struct Standing {
    /// Failures in a row that are tolerated.
    pub(in crate::engine) budget: Budget,
    /// Bytes that had come from it when the budget was last spent, and when that was.
    pub(in crate::engine) spent_at: (u64, Instant),
    /// Answers that broke the protocol.
    pub(in crate::engine) bad_answers: u32,
    /// How often it did not begin to answer in time.
    unanswered: u32,
    /// It is not asked before this.
    pub(in crate::engine) hold: Instant,
    /// Bytes a second over one connection; `None`: not tried yet.
    rate: Option<f64>,
    /// As many connections as it was seen to bear.
    pub(in crate::engine) limit: u32,
    /// It gave a piece that is bad, and another source is asked for the same one.
    pub(in crate::engine) suspected: bool,
    /// It is not used any more.
    pub(in crate::engine) dropped: bool,
}

/// The limit for an answer is doubled at most so often.
const LONGEST_ANSWER: u32 = 3;
/// How much of a new measurement goes into the rate.
const SHARE: f64 = 0.2;

impl Standing {
    pub(super) fn new(retries: u32) -> Self {
        let now = Instant::now();
        Self {
            budget: Budget::new(retries),
            spent_at: (0, now),
            bad_answers: 0,
            unanswered: 0,
            hold: now,
            rate: None,
            limit: u32::MAX,
            suspected: false,
            dropped: false,
        }
    }

    /// A new transfer begins: old failures do not count.
    pub(super) fn refill(&mut self, fetched: u64) {
        self.budget.refill();
        self.spent_at = (fetched, Instant::now());
        self.bad_answers = 0;
    }

    /// Bytes came since the last failure: that is progress, and refills the budget.
    pub(in crate::engine) fn progressed(&mut self, fetched: u64) {
        if fetched > self.spent_at.0 {
            self.budget.refill();
            self.spent_at.0 = fetched;
        }
    }

    /// Bytes came since the last failure, and so few that they forgive nothing.
    pub(in crate::engine) fn crept(&mut self, fetched: u64) {
        self.spent_at.0 = fetched;
    }

    /// Spends a failure. Returns its number and the pause before the next try, or `None` if no more
    /// are tolerated. `asked` is the pause that the server asked for; it is never shorter than that of `backoff`, or
    /// a server that asks for none would use up all tries in an instant.
    pub(in crate::engine) fn spend(
        &mut self,
        backoff: Backoff,
        asked: Option<Duration>,
        at_once: bool,
    ) -> Option<(u32, Duration)> {
        let tries = self.budget.spend()?;
        let now = Instant::now();
        self.spent_at.1 = now;
        let random = getrandom::u64().unwrap_or(u64::MAX);
        let pause = match at_once {
            true => Duration::ZERO,
            false => backoff.pause(tries, random).max(asked.unwrap_or_default()),
        };
        self.hold_for(pause);
        Some((tries, pause))
    }

    /// How long it may take to begin an answer: longer after each time it did not, since a server that has to
    /// make the file first would begin that again and again.
    pub(in crate::engine) fn answer_timeout(&self, first: Duration) -> Duration {
        first.saturating_mul(1 << self.unanswered.min(LONGEST_ANSWER))
    }

    /// It did not begin to answer in time.
    pub(in crate::engine) fn did_not_answer(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// It is not asked for so long.
    pub(in crate::engine) fn hold_for(&mut self, pause: Duration) {
        let now = Instant::now();
        self.hold = self.hold.max(now.checked_add(pause).unwrap_or(now));
    }

    /// It is asked after so long at the latest.
    pub(in crate::engine) fn hold_at_most(&mut self, pause: Duration) {
        let now = Instant::now();
        self.hold = now.checked_add(pause).map_or(self.hold, |latest| self.hold.min(latest));
    }

    /// A connection to it runs at this many bytes a second.
    pub(in crate::engine) fn measured(&mut self, rate: f64) {
        self.rate = Some(match self.rate {
            Some(before) if before > 0.0 => before + (rate - before) * SHARE,
            _ => rate,
        });
    }

    /// What another connection to it may bring. One that was never tried is worth a try; while that
    /// lasts, nothing more is staked on it.
    pub(super) fn promise(&self, working: u32) -> f64 {
        match self.rate {
            Some(rate) => rate,
            None if working == 0 => f64::INFINITY,
            None => 0.0,
        }
    }

    /// Whether it may be asked now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.dropped && !self.suspected && now >= self.hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untried_one_is_worth_one_try() {
        let mut standing = Standing::new(1);
        assert_eq!((standing.promise(0), standing.promise(1)), (f64::INFINITY, 0.0));
        standing.measured(100.0);
        assert_eq!((standing.promise(0), standing.promise(1)), (100.0, 100.0));
        standing.measured(200.0);
        assert_eq!(standing.promise(0), 120.0);
    }

    #[test]
    fn failures_in_a_row_are_counted_and_progress_forgives() {
        let (mut standing, backoff) = (Standing::new(1), Backoff::default());
        let now = Instant::now();
        assert!(standing.is_ready(now));
        assert!(matches!(
            standing.spend(backoff, Some(Duration::from_secs(9)), false),
            Some((1, _))
        ));
        assert!(!standing.is_ready(now) && standing.is_ready(now + Duration::from_secs(10)));
        assert_eq!(standing.spend(backoff, None, false), None);
        standing.progressed(1);
        assert!(standing.spend(backoff, None, true).is_some());
    }

    #[test]
    fn a_server_that_asks_for_no_pause_gets_one_that_grows() {
        let mut standing = Standing::new(8);
        let mut pauses = Vec::new();
        while let Some((_, pause)) = standing.spend(Backoff::default(), Some(Duration::ZERO), false)
        {
            pauses.push(pause);
        }
        assert!(pauses[0] >= Duration::from_millis(50), "{pauses:?}");
        assert!(pauses[7] >= Duration::from_secs(6), "{pauses:?}");
    }
}
