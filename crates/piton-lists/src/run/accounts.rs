//! Outcomes on their way to the ledger.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use piton_checkpoint::ledger::{InFlight, Ledger, LedgerError, Outcome};
use tokio::sync::Notify;

/// The number of outcomes that may wait for their commit; beyond that, nothing new is started (G8).
const MAX_UNACKNOWLEDGED: usize = 4096;

/// Passes outcomes to the ledger without waiting for their commit.
#[derive(Clone)]
pub(super) struct Accounts {
    ledger: Ledger,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    unacknowledged: AtomicUsize,
    /// The first error.
    error: Mutex<Option<LedgerError>>,
    changed: Notify,
}

impl Accounts {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { ledger, shared: Arc::default() }
    }

    /// Queues an outcome. The item counts as in flight until it is committed; `then` is called after the
    /// commit.
    pub(super) fn record(
        &self,
        outcome: Outcome,
        flight: Option<Arc<InFlight>>,
        then: Option<Box<dyn FnOnce() + Send>>,
    ) {
        if let Some(flight) = &flight {
            flight.mark_harmless();
        }
        self.shared.unacknowledged.fetch_add(1, Ordering::AcqRel);
        let shared = Arc::clone(&self.shared);
        let done = move |result: Result<(), LedgerError>| {
            if let (Ok(()), Some(flight)) = (&result, &flight) {
                flight.recorded();
            }
            drop(flight);
            if let (Ok(()), Some(then)) = (&result, then) {
                then();
            }
            let failed = result.is_err();
            if let Err(error) = result {
                shared.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            let before = shared.unacknowledged.fetch_sub(1, Ordering::AcqRel);
            // Each time would wake the network's thread for nothing.
            if failed || before == MAX_UNACKNOWLEDGED || before == 1 {
                shared.changed.notify_one();
            }
        };
        self.ledger.record(outcome, Box::new(done));
    }

    /// Whether enough outcomes wait for their commit.
    pub(super) fn is_full(&self) -> bool {
        self.shared.unacknowledged.load(Ordering::Acquire) >= MAX_UNACKNOWLEDGED
    }

    /// The error, if there was one; once.
    pub(super) fn take_error(&self) -> Option<LedgerError> {
        self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for a change: an error, free space, or that everything is committed.
    pub(super) async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Waits until every outcome was committed or refused.
    pub(super) async fn settled(&self) {
        self.ledger.hurry();
        while self.shared.unacknowledged.load(Ordering::Acquire) > 0 {
            self.changed().await;
        }
    }
}
