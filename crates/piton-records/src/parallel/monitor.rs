//! The figures of a run, and its brakes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What other threads see of a run, and how they stop or pause it. It can be shared freely.
#[derive(Debug, Default)]
pub struct Monitor {
    pub(crate) pieces: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) position: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) whole: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) running: AtomicU64,
    pub(crate) attempts: AtomicU64,
    pub(crate) spooled: AtomicU64,
    pub(crate) begun_at: AtomicU64,
    pub(crate) replays: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    paused: bool,
    /// How often somebody wanted everything saved, and how often that was done.
    saves: (u64, u64),
    committed: Option<Instant>,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Pieces that this run has finished.
    pub pieces: u64,
    /// Records of the source that are done, by all runs.
    pub records: u64,
    /// How far the source is done, in its unit: bytes of a file.
    pub position: u64,
    /// Where this run began, in the same unit.
    pub begun_at: u64,
    /// How many bytes this run decodes again before its first piece, since the source is compressed.
    pub replays: u64,
    /// What this run has finished, in the same unit, also behind pieces that are not.
    pub finished: u64,
    /// Where the source ends, if that is known.
    pub whole: Option<u64>,
    /// Dead letters, of all runs.
    pub failed: u64,
    /// Pieces in the hands of workers.
    pub running: u64,
    /// Attempts of this run.
    pub attempts: u64,
    /// Bytes of results that wait for their turn.
    pub spooled: u64,
    /// When the last commit was made.
    pub committed: Option<Instant>,
    /// Whether no further piece is started for now.
    pub paused: bool,
}

impl Monitor {
    /// The figures now.
    pub fn figures(&self) -> Figures {
        let get = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let state = self.state();
        Figures {
            pieces: get(&self.pieces),
            records: get(&self.records),
            position: get(&self.position),
            begun_at: get(&self.begun_at),
            replays: get(&self.replays),
            finished: get(&self.bytes),
            whole: Some(get(&self.whole)).filter(|whole| *whole > 0),
            failed: get(&self.failed),
            running: get(&self.running),
            attempts: get(&self.attempts),
            spooled: get(&self.spooled),
            committed: state.committed,
            paused: state.paused,
        }
    }

    /// Ends the run: no piece is started any more, those in flight are finished, unless the work itself can be stopped.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Whether it was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Starts no further piece, or continues.
    pub fn pause(&self, pause: bool) {
        self.state().paused = pause;
        self.changed.notify_all();
    }

    /// Commits what is finished, durably, and waits until that is done, or for so long.
    pub fn save(&self, most: Duration) {
        let mut state = self.state();
        state.saves.0 += 1;
        let wanted = state.saves.0;
        let undone = |state: &mut State| state.saves.1 < wanted && !state.stopped;
        drop(self.changed.wait_timeout_while(state, most, undone));
    }

    /// Saves, if somebody wants that.
    pub(crate) fn save_if_wanted<E>(&self, save: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let (wanted, done) = self.state().saves;
        if wanted > done {
            save()?;
            self.state().saves.1 = wanted;
            self.changed.notify_all();
        }
        Ok(())
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state().paused
    }

    /// Waits so long; `false`, at once, if the run is to stop, or [`Monitor::wake`] was called and this is `over`.
    pub(crate) fn sleep(&self, time: Duration, over: impl Fn() -> bool) -> bool {
        let goes_on = |state: &mut State| !state.stopped && !over();
        let waited = self.changed.wait_timeout_while(self.state(), time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Whoever sleeps looks again whether it is over.
    pub(crate) fn wake(&self) {
        // Not between that look and the wait.
        drop(self.state());
        self.changed.notify_all();
    }

    pub(crate) fn committed(&self) {
        self.state().committed = Some(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
