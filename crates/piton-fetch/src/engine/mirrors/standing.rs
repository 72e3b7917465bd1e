//! How one source fares.

use std::time::Duration;

use piton_checkpoint::Class;
use tokio::time::Instant;

use crate::engine::retry::{BAD_ANSWERS, Next, Retries};
use crate::engine::transfer_error::TransferError;

/// How one source fares: what it brings, and what it costs.
#[derive(Debug)]
pub(in crate::engine) struct Standing {
    retries: Retries,
    /// Bytes that had come from it when last any progress was noted.
    noted: u64,
    /// When a failure was counted since which nothing came.
    counted: Option<Instant>,
    /// Answers that nobody could work with.
    bad_answers: u32,
    /// Bytes that had come from it when an expired link last cost no try.
    renewed: Option<u64>,
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
            retries: Retries::new(retries),
            noted: 0,
            counted: None,
            bad_answers: 0,
            renewed: None,
            unanswered: 0,
            hold: now,
            rate: None,
            limit: u32::MAX,
            suspected: false,
            dropped: false,
        }
    }

    /// A new transfer begins: old failures do not count.
    pub(in crate::engine) fn refill(&mut self, fetched: u64) {
        self.retries.refill();
        (self.noted, self.counted, self.bad_answers) = (fetched, None, 0);
    }

    /// Bytes came since the last failure: that is progress, and forgives it.
    pub(in crate::engine) fn progressed(&mut self, fetched: u64) {
        if fetched > self.noted {
            self.retries.refill();
            (self.noted, self.counted, self.bad_answers) = (fetched, None, 0);
        }
    }

    /// Bytes came since the last failure, and so few that they forgive nothing.
    pub(in crate::engine) fn crept(&mut self, fetched: u64) {
        self.noted = fetched;
    }

    /// Whether what began at `begun` failed together with what was counted already: an outage counts once, not once
    /// for each connection.
    pub(in crate::engine) fn was_counted(&self, begun: Instant) -> bool {
        self.counted.is_some_and(|counted| begun <= counted)
    }

    /// What `error` calls for. It is not asked before the pause is over.
    pub(in crate::engine) fn failed(&mut self, error: &TransferError, longest: Duration) -> Next {
        self.counted = Some(Instant::now());
        // A link that gave something before it expired costs nothing: such links are that server's way.
        if error.class() == Class::ResolveAgain && self.renewed.is_none_or(|at| at < self.noted) {
            self.renewed = Some(self.noted);
            return Next::Again { tries: self.retries.spent() + 1, pause: Duration::ZERO };
        }
        if error.is_bad_answer() {
            self.bad_answers += 1;
            if self.bad_answers > BAD_ANSWERS {
                return Next::GiveUp { tries: self.retries.spent() + 1 };
            }
        }
        let next = self.retries.next(error, longest);
        if let Next::Again { pause, .. } = next {
            self.hold_for(pause);
        }
        next
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
    pub(in crate::engine) fn is_ready(&self, now: Instant) -> bool {
        !self.dropped && !self.suspected && now >= self.hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

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
    fn it_is_left_alone_for_as_long_as_the_pause_is() {
        let mut standing = Standing::new(1);
        let now = Instant::now();
        assert!(standing.is_ready(now));
        let error = TransferError::broken("a.test".to_owned(), "why");
        assert!(matches!(standing.failed(&error, Duration::MAX), Next::Again { .. }));
        assert!(!standing.is_ready(now) && standing.is_ready(now + Duration::from_secs(10)));
        assert!(standing.was_counted(now) && !standing.was_counted(Instant::now()));
        assert_eq!(standing.failed(&error, Duration::MAX), Next::GiveUp { tries: 2 });
        standing.progressed(1);
        assert!(!standing.was_counted(now));
    }

    #[test]
    fn a_few_bad_answers_are_those_of_a_node() {
        let mut standing = Standing::new(9);
        let error = TransferError::broken("a.test".to_owned(), "why");
        for _ in 0..BAD_ANSWERS {
            assert!(matches!(standing.failed(&error, Duration::MAX), Next::Again { .. }));
        }
        assert!(matches!(standing.failed(&error, Duration::MAX), Next::GiveUp { .. }));
        standing.progressed(1);
        assert!(matches!(standing.failed(&error, Duration::MAX), Next::Again { .. }));
    }

    #[test]
    fn a_link_that_gave_something_costs_no_try_when_it_expires() {
        let mut standing = Standing::new(0);
        let expired = || TransferError::ExpiredLink(Box::new(Failure::Usage(String::new())));
        let renewed = Next::Again { tries: 1, pause: Duration::ZERO };
        assert_eq!(standing.failed(&expired(), Duration::MAX), renewed);
        assert_eq!(standing.failed(&expired(), Duration::MAX), Next::GiveUp { tries: 1 });
        standing.progressed(1);
        assert_eq!(standing.failed(&expired(), Duration::MAX), renewed);
    }
}
