use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use piton_checkpoint::Cadence;
use piton_durable::part::Durability;

use super::Shared;

/// How often the thread looks for extents whose write-back can be started early.
const LOOK: Duration = Duration::from_millis(100);

/// The thread that makes durable what connections claimed (DESIGN section 3, step 3): never on the
/// network's thread. Dropping it ends it.
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let own = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("piton-checkpoint".to_owned())
            .stack_size(128 << 10)
            .spawn(move || run(&own))
            .ok();
        Self { shared: Arc::clone(shared), thread }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // The thread has no panic of its own; were there one, the part is as after a kill.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared) {
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
        state.unsynced = 0;
        state.pressed = false;
        state.accounts.retain(|account| Arc::strong_count(account) > 1 || account.unsynced() > 0);
        let accounts = state.accounts.clone();
        let midstates = std::mem::take(&mut state.midstates);
        for account in &accounts {
            let pending = account.pending.swap(0, Ordering::Relaxed);
            account.in_flight.store(pending, Ordering::Relaxed);
        }
        drop(state);
        let began = Instant::now();
        let result = midstates
            .iter()
            .try_for_each(|(kind, state)| shared.part.put_hash(*kind, state))
            .and_then(|()| shared.part.checkpoint());
        if let Err(error) = result {
            // An error of a sync is fatal for this file and never tried again (G7).
            shared.fail(error);
            return;
        }
        accounts.iter().for_each(|account| account.in_flight.store(0, Ordering::Relaxed));
        cadence.ended(Instant::now(), began.elapsed());
        shared.synced.notify_waiters();
        state = shared.state();
    }
}
