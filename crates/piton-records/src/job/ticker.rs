//! When commits are due, and the syncs that nobody waits for.
//!
//! One thread says ten times a second that a commit is due, by a flag that the loop over the records looks at. Another one
//! syncs what was committed, each second, or as often as syncs stay under 2 % of the time, but at least each 30 seconds.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use piton_checkpoint::store::{Mark, Store};
use piton_durable::fs::FsFile;
use piton_durable::held::HeldError;

use crate::error::Error;

/// When commits and syncs are due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cadence {
    commit: Duration,
    /// The first sync comes after this, and later ones at least as far apart.
    sync: Duration,
}

impl Cadence {
    /// What costs at most 2 % of the time.
    pub(crate) const AUTO: Self =
        Self { commit: Duration::from_millis(100), sync: Duration::from_secs(1) };

    /// Both each so often.
    pub(crate) fn every(time: Duration) -> Self {
        let time = time.max(Duration::from_millis(1));
        Self { commit: time, sync: time }
    }
}

const LONGEST: Duration = Duration::from_secs(30);
/// Syncs take at most one part in this many of the time.
const SHARE: u32 = 50;

const IDLE: u8 = 0;
const DUE: u8 = 1;

/// What the loop and the threads share.
pub(crate) struct Shared {
    flag: AtomicU8,
    state: Mutex<State>,
    /// Held during a sync: of two at once only one is told of an error, and the other would believe its success (G7).
    turn: Mutex<Syncs>,
    wake: Condvar,
}

/// Whether the output may be synced.
#[derive(PartialEq, Eq)]
enum Syncs {
    Good,
    /// One has failed: a later one would succeed, and prove nothing.
    Failed,
}

#[derive(Default)]
struct State {
    /// The last commit whose bytes are written.
    written: Option<Mark>,
    /// The last one that is durable.
    synced: Option<Mark>,
    /// What was written beside the output since the last sync.
    beside: Vec<Synced>,
    failed: Option<Error>,
    stop: bool,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        let state = Mutex::new(State::default());
        let turn = Mutex::new(Syncs::Good);
        Arc::new(Self { flag: AtomicU8::new(IDLE), state, turn, wake: Condvar::new() })
    }

    /// Whether a commit is due, or a sync has failed.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.flag.load(Ordering::Relaxed) != IDLE
    }

    pub(crate) fn set_due(&self, due: bool) {
        self.flag.store(if due { DUE } else { IDLE }, Ordering::Relaxed);
    }

    pub(crate) fn wrote(&self, mark: Mark) {
        self.state().written = Some(mark);
    }

    /// The error that ended the syncs, once.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.state().failed.take()
    }

    /// This was written beside the output, and is synced before it.
    pub(crate) fn sync_too(&self, output: Synced) {
        let mut state = self.state();
        if state.beside.iter().all(|beside| beside.path != output.path) {
            state.beside.push(output);
        }
    }

    /// The last durable commit, and the last one.
    pub(crate) fn marks(&self) -> (Option<Mark>, Option<Mark>) {
        let state = self.state();
        (state.synced, state.written)
    }

    /// Syncs what is written but not durable yet, outputs first.
    pub(crate) fn sync(&self, outputs: &[Synced], store: &dyn Store) -> Result<(), Error> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *turn == Syncs::Failed {
            return Err(Error::Over);
        }
        let (mark, beside) = {
            let mut state = self.state();
            let mark = state.written.filter(|written| state.synced.is_none_or(|it| it < *written));
            (mark, std::mem::take(&mut state.beside))
        };
        let outputs = if mark.is_some() { outputs } else { &[] };
        for Synced { file, path } in beside.iter().chain(outputs) {
            let synced = file.sync_data();
            if synced.is_err() {
                *turn = Syncs::Failed;
            }
            synced.map_err(HeldError::io("sync", path))?;
        }
        let Some(mark) = mark else { return Ok(()) };
        store.sync(mark)?;
        let mut state = self.state();
        state.synced = state.synced.max(Some(mark));
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long; `false`: to stop.
    fn wait(&self, time: Duration) -> bool {
        let waited = self.wake.wait_timeout_while(self.state(), time, |state| !state.stop);
        waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// A file that is synced before the store.
#[derive(Clone)]
pub(crate) struct Synced {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) path: std::path::PathBuf,
}

/// The two threads, until it is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        outputs: Vec<Synced>,
        store: &Arc<dyn Store>,
        cadence: Cadence,
    ) -> Result<Self, Error> {
        // If the second thread cannot start, dropping this stops the first.
        let mut ticker = Self { shared: Arc::clone(shared), threads: Vec::new() };
        let ticks = Arc::clone(shared);
        let ticks = Builder::new().name("piton-tick".to_owned()).spawn(move || {
            while ticks.wait(cadence.commit) {
                ticks.set_due(true);
            }
        });
        ticker.threads.push(ticks.map_err(Error::Thread)?);
        let (syncs, store) = (Arc::clone(shared), Arc::clone(store));
        let syncs = Builder::new()
            .name("piton-sync".to_owned())
            .spawn(move || sync_all_along(&syncs, &outputs, &*store, cadence.sync));
        ticker.threads.push(syncs.map_err(Error::Thread)?);
        Ok(ticker)
    }
}

fn sync_all_along(shared: &Shared, outputs: &[Synced], store: &dyn Store, least: Duration) {
    let mut pause = least;
    while shared.wait(pause) {
        let began = Instant::now();
        if let Err(error) = shared.sync(outputs, store) {
            shared.state().failed = Some(error);
            shared.set_due(true);
            return;
        }
        pause = pause_after(began.elapsed(), least);
    }
}

/// How long to wait after a sync that took so long.
fn pause_after(took: Duration, least: Duration) -> Duration {
    (took * (SHARE - 1)).min(LONGEST).max(least)
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // It does not panic; if it did, what it would have synced is synced by its owner.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_take_two_percent_and_come_each_half_minute() {
        let ms = Duration::from_millis;
        let pause = |took| pause_after(ms(took), Cadence::AUTO.sync);
        assert_eq!([5, 100, 10_000].map(pause), [1000, 4900, 30_000].map(ms));
        assert_eq!(pause_after(ms(5), ms(60_000)), ms(60_000));
    }
}
