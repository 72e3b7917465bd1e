//! The one rule for trying again: for the first question, segments, range readers and streams.

use std::time::Duration;

use piton_checkpoint::{Backoff, Budget, Class};
use piton_remote::RefusalKind;

use super::transfer_error::TransferError;
use crate::failure::Failure;

/// What a failure calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another try.
    Again {
        /// The number of failures in a row.
        tries: u32,
        /// How long to wait before.
        pause: Duration,
    },
    /// No more, after so many tries.
    GiveUp {
        /// The tries, the last one included.
        tries: u32,
    },
}

/// One node of a farm may answer badly; more bad answers in a row than this are the server's way.
pub(super) const BAD_ANSWERS: u32 = 2;

/// Failures in a row that are tolerated.
#[derive(Debug)]
pub(super) struct Retries {
    budget: Budget,
}

impl Retries {
    pub(super) fn new(limit: u32) -> Self {
        Self { budget: Budget::new(limit) }
    }

    /// What `error` calls for, if nobody waits for longer than `longest`. The pause is the one that the server asks
    /// for, but never shorter than piton's own: a server that asks for none would use up all tries in an instant.
    pub(super) fn next(&mut self, error: &TransferError, longest: Duration) -> Next {
        let tried = self.budget.spent() + 1;
        if error.class() == Class::Fatal {
            return Next::GiveUp { tries: tried };
        }
        let Some(tries) = self.budget.spend() else { return Next::GiveUp { tries: tried } };
        let pause = match error.class() {
            Class::ResolveAgain => Duration::ZERO,
            Class::Transient | Class::Fatal => {
                let random = getrandom::u64().unwrap_or(u64::MAX);
                let own = backoff(error).pause(tries, random);
                own.max(requested_pause(error).unwrap_or_default())
            }
        };
        match pause <= longest {
            true => Next::Again { tries, pause },
            false => Next::GiveUp { tries: tried },
        }
    }

    /// Bytes came: that is progress, and forgives what failed before.
    pub(super) fn refill(&mut self) {
        self.budget.refill();
    }

    /// Failures since the last progress.
    pub(super) fn spent(&self) -> u32 {
        self.budget.spent()
    }
}

/// The pauses where the server does not ask for longer ones. A limit on requests is one by the minute, and it is
/// waited for at least two of them.
fn backoff(error: &TransferError) -> Backoff {
    match error.failed() {
        Some(Failure::Refused { refusal, .. }) if refusal.kind == RefusalKind::TooMany => {
            Backoff::BY_THE_MINUTE
        }
        _ => Backoff::default(),
    }
}

/// How long the server asked us to wait.
pub(super) fn requested_pause(error: &TransferError) -> Option<Duration> {
    error.failed()?.retry_after()
}

#[cfg(test)]
mod tests {
    use piton_remote::Refusal;

    use super::*;

    fn refused(kind: RefusalKind, retry_after: Option<Duration>) -> TransferError {
        let mut refusal = Refusal::broken("a.test", "no");
        (refusal.kind, refusal.retry_after) = (kind, retry_after);
        refusal.into()
    }

    #[test]
    fn failures_in_a_row_are_counted_and_progress_forgives() {
        let mut retries = Retries::new(1);
        let error = refused(RefusalKind::Busy, Some(Duration::from_secs(9)));
        let pause = Duration::from_secs(9);
        assert_eq!(retries.next(&error, Duration::MAX), Next::Again { tries: 1, pause });
        assert_eq!(retries.next(&error, Duration::MAX), Next::GiveUp { tries: 2 });
        retries.refill();
        assert_eq!(retries.next(&error, Duration::from_secs(8)), Next::GiveUp { tries: 1 });
    }

    #[test]
    fn a_server_that_asks_for_no_pause_gets_one_that_grows() {
        let mut retries = Retries::new(8);
        let error = refused(RefusalKind::Busy, Some(Duration::ZERO));
        let mut pauses = Vec::new();
        while let Next::Again { pause, .. } = retries.next(&error, Duration::MAX) {
            pauses.push(pause);
        }
        assert_eq!(pauses.len(), 8);
        assert!(pauses[0] >= Duration::from_millis(50), "{pauses:?}");
        assert!(pauses[7] >= Duration::from_secs(6), "{pauses:?}");
    }

    #[test]
    fn what_no_number_of_tries_changes_is_not_tried_again() {
        let mut retries = Retries::new(8);
        for error in [
            refused(RefusalKind::Permanent, None),
            TransferError::Stopped,
            Failure::TooLarge { limit: 1 }.into(),
        ] {
            assert_eq!(retries.next(&error, Duration::MAX), Next::GiveUp { tries: 1 });
        }
    }
}
