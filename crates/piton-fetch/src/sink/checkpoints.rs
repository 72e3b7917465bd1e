//! Checkpoints of the part, on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use piton_checkpoint::Cadence;
use piton_durable::part::{Durability, PartError};

use super::{Shared, Watched};

/// How often the thread looks for extents whose write-back can be started early.
const LOOK: Duration = Duration::from_millis(100);

/// The thread that makes durable what connections claimed (docs/journal-format.md, step 3): never on the
/// network's thread. Dropping it ends it.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// # Errors
    /// Where the system has no thread left.
    pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let own = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("piton-checkpoint".to_owned())
            .stack_size(128 << 10)
            .spawn(move || run(&own))?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported already (`Watched`).
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Makes durable what is claimed now, and saves the newest digest states with it.
    pub(super) fn checkpoint(&self) -> Result<(), PartError> {
        let mut state = self.state();
        state.unsynced = 0;
        state.pressed = false;
        state.accounts.retain(|account| Arc::strong_count(account) > 1 || account.unsynced() > 0);
        let accounts = state.accounts.clone();
        for account in &accounts {
            let pending = account.pending.swap(0, Ordering::Relaxed);
            account.in_flight.store(pending, Ordering::Relaxed);
        }
        // Still under the lock: bytes that are taken back now are forgotten in the journal after this,
        // and with them these states.
        let states = state.hash_front.take_states();
        states.iter().try_for_each(|(kind, state)| self.part.put_hash(*kind, state))?;
        drop(state);
        self.part.checkpoint()?;
        accounts.iter().for_each(|account| account.in_flight.store(0, Ordering::Relaxed));
        Ok(())
    }
}

fn run(shared: &Shared) {
    let _watched = Watched(shared);
    let mut cadence = Cadence::new(shared.pace, Instant::now());
    let mut state = shared.state();
    while !state.closing && !state.failed {
        let hints = std::mem::take(&mut state.hints);
        let wait = if state.unsynced == 0 {
            LOOK
        } else {
            cadence.wait(Instant::now(), state.unsynced, state.pressed).min(LOOK)
        };
        if !hints.is_empty() && shared.durability == Durability::Power {
            drop(state);
            hints.into_iter().for_each(|range| shared.part.start_writeback(range));
            state = shared.state();
            continue;
        }
        if !wait.is_zero() {
            state = match shared.changed.wait_timeout(state, wait) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
            continue;
        }
        drop(state);
        let began = Instant::now();
        let result = shared.checkpoint();
        if let Err(error) = result {
            // An error of a sync is fatal for this file and never tried again (G7).
            shared.fail(error);
            return;
        }
        cadence.ended(Instant::now(), began.elapsed());
        shared.synced.notify_waiters();
        state = shared.state();
    }
}
