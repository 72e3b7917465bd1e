//! The thread that hashes the part in order, behind the contiguous front of what may be hashed.
//!
//! A digest speaks of bytes that were read from the part after the last time they changed. So whoever takes
//! bytes back, or writes over them, says so under the same lock by which this thread takes its next chunk
//! ([`State::changed_below`]): what was hashed of them is dropped, in memory and for the journal, before
//! anything else can be done with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use piton_durable::part::{Durability, PartError};

use super::{Shared, State};
use crate::digest::{Algorithm, Digest, Hasher};

/// How hashing proceeds; tests take smaller steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HashSteps {
    /// Bytes read and hashed at once.
    pub(crate) chunk: usize,
    /// How far a saved state may lag behind, in bytes.
    pub(crate) save_every: u64,
}

impl Default for HashSteps {
    fn default() -> Self {
        Self { chunk: 512 << 10, save_every: 32 << 20 }
    }
}

/// How many states are kept to go back to. With more, every second one is dropped (G8).
const MARKS: usize = 64;

/// Hashers for these algorithms, each from its saved state if that lies within the first `trusted`
/// bytes, else from the start. The second number: up to where the states cover bytes that this run has not
/// read.
pub(crate) fn restore(
    algorithms: impl IntoIterator<Item = Algorithm>,
    saved: &BTreeMap<u8, Vec<u8>>,
    trusted: u64,
) -> (Vec<Hasher>, u64) {
    let hashers: Vec<Hasher> = algorithms
        .into_iter()
        .map(|algorithm| {
            saved
                .get(&algorithm.code())
                .and_then(|state| Hasher::restore(algorithm, state).ok())
                .filter(|hasher| hasher.position() <= trusted)
                .unwrap_or_else(|| Hasher::new(algorithm))
        })
        .collect();
    let unread = hashers.iter().map(Hasher::position).max().unwrap_or(0);
    (hashers, unread)
}

/// What the digest thread shares with those who change the part.
#[derive(Debug, Default)]
pub(super) struct HashFront {
    /// A digest thread runs.
    running: bool,
    /// Bytes below this were hashed, or are being read for it.
    reached: u64,
    /// Bytes below `reached` changed, from this one on: what was hashed of them is void.
    back_to: Option<u64>,
    /// It ends when it has hashed up to here, …
    end: Option<u64>,
    /// … or at once.
    closing: bool,
    /// States to be saved with the next checkpoint.
    states: Vec<(u8, Vec<u8>)>,
}

impl HashFront {
    /// The states to be saved, once.
    pub(super) fn take_states(&mut self) -> Vec<(u8, Vec<u8>)> {
        std::mem::take(&mut self.states)
    }

    /// Whether the thread has to hear of bytes that came in.
    pub(super) fn is_running(&self) -> bool {
        self.running
    }
}

impl State {
    /// The bytes from `start` on changed, or are about to: no digest state that covers them counts.
    pub(super) fn changed_below(&mut self, start: u64) {
        let front = &mut self.hash_front;
        if start < front.reached {
            front.reached = start;
            front.back_to = Some(front.back_to.map_or(start, |before| before.min(start)));
            front.states.clear();
        }
    }
}

/// See the page. Dropping it ends the thread.
pub(crate) struct Hashing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Vec<Hasher>, PartError>>>,
}

impl Hashing {
    /// Starts it; with no hashers it has nothing to do and no thread.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        hashers: Vec<Hasher>,
        steps: HashSteps,
    ) -> std::io::Result<Self> {
        if hashers.is_empty() {
            return Ok(Self { shared: Arc::clone(shared), thread: None });
        }
        let reached = hashers.iter().map(Hasher::position).max().unwrap_or(0);
        shared.state().hash_front = HashFront { running: true, reached, ..HashFront::default() };
        let run = Run::new(shared, hashers, steps);
        let thread = std::thread::Builder::new()
            .name("piton-digest".to_owned())
            .stack_size(256 << 10)
            .spawn(move || run.run());
        if thread.is_err() {
            shared.state().hash_front = HashFront::default();
        }
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread?) })
    }

    /// Ends [`Hashing::finish`] early, from elsewhere.
    pub(crate) fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.shared))
    }

    /// Waits until the first `len` bytes are hashed. Blocks.
    pub(crate) fn finish(mut self, len: u64) -> Result<Vec<Digest>, PartError> {
        self.shared.state().hash_front.end = Some(len);
        self.shared.front.notify_all();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(hashers)) => Ok(hashers?.into_iter().map(Hasher::finalize).collect()),
            // The thread has no panic of its own; without it there is no digest to compare.
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(Vec::new()),
        }
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shared.state().hash_front.closing = true;
            self.shared.front.notify_all();
            if let Ok(Err(error)) = thread.join() {
                // Bytes that cannot be read: the coordinator hears of it, as from a checkpoint.
                self.shared.fail(error);
            }
        }
        self.shared.state().hash_front.running = false;
    }
}

/// See [`Hashing::canceller`].
pub(crate) struct Canceller(Arc<Shared>);

impl Canceller {
    pub(crate) fn cancel(&self) {
        self.0.state().hash_front.closing = true;
        self.0.front.notify_all();
    }
}

/// The work of the thread.
struct Run {
    shared: Arc<Shared>,
    hashers: Vec<Hasher>,
    position: u64,
    steps: HashSteps,
    /// States to go back to, in order of their positions.
    marks: Vec<(u64, Vec<Hasher>)>,
    saved: u64,
}

impl Run {
    fn new(shared: &Arc<Shared>, hashers: Vec<Hasher>, steps: HashSteps) -> Self {
        let position = hashers.iter().map(Hasher::position).min().unwrap_or(0);
        let shared = Arc::clone(shared);
        let level = hashers.iter().all(|hasher| hasher.position() == position);
        let marks = match level {
            true => vec![(position, hashers.clone())],
            false => Vec::new(),
        };
        Self { shared, hashers, position, steps, marks, saved: position }
    }

    fn run(mut self) -> Result<Vec<Hasher>, PartError> {
        let shared = Arc::clone(&self.shared);
        let mut buffer = vec![0; self.steps.chunk];
        loop {
            let mut state = shared.state();
            let wanted = loop {
                if let Some(start) = state.hash_front.back_to.take() {
                    self.go_back(start);
                }
                self.keep_state(&mut state);
                let end = state.hash_front.end;
                if state.hash_front.closing || end.is_some_and(|end| self.position >= end) {
                    return Ok(self.hashers);
                }
                // Whole chunks while bytes still come in, what is left at the end.
                let front = state.hashable(self.position);
                let ready = end.map_or(front, |end| front.min(end)).saturating_sub(self.position);
                if ready >= self.steps.chunk as u64 || (ready > 0 && end.is_some()) {
                    break ready.min(self.steps.chunk as u64);
                }
                if end.is_some() {
                    // Asked to finish although the front does not reach the end: nothing to wait for.
                    return Ok(self.hashers);
                }
                state = match shared.front.wait(state) {
                    Ok(state) => state,
                    Err(poisoned) => poisoned.into_inner(),
                };
            };
            // From here on a change of these bytes is one below `reached`.
            let reached = &mut state.hash_front.reached;
            *reached = (*reached).max(self.position + wanted);
            drop(state);
            let chunk = buffer.get_mut(..wanted as usize).unwrap_or_default();
            let read = shared.part.read(chunk, self.position)?;
            let chunk = chunk.get(..read).unwrap_or_default();
            if chunk.is_empty() {
                return Ok(self.hashers);
            }
            for hasher in &mut self.hashers {
                let behind = hasher.position().saturating_sub(self.position) as usize;
                hasher.update(chunk.get(behind..).unwrap_or_default());
            }
            self.position += read as u64;
        }
    }

    /// Keeps what is hashed so far, to go back to and for the journal, if it is time. Under the lock, and
    /// after [`Run::go_back`]: so all that it covers is as it was read.
    fn keep_state(&mut self, state: &mut State) {
        if self.position < self.saved.saturating_add(self.steps.save_every) {
            return;
        }
        self.saved = self.position;
        if self.marks.len() >= MARKS {
            let mut odd = false;
            self.marks.retain(|_| {
                odd = !odd;
                odd
            });
        }
        self.marks.push((self.position, self.hashers.clone()));
        if self.shared.durability != Durability::None {
            let states = self.hashers.iter().map(|h| (h.algorithm().code(), h.save().bytes));
            state.hash_front.states = states.collect();
        }
    }

    /// Drops what was hashed from `start` on, and continues from the last state before it.
    fn go_back(&mut self, start: u64) {
        // A digest that was restored may be ahead of the others, and so of the mark's position.
        self.marks.retain(|(_, hashers)| hashers.iter().all(|hasher| hasher.position() <= start));
        let (position, hashers) = self.marks.last().cloned().unwrap_or_else(|| {
            (0, self.hashers.iter().map(|hasher| Hasher::new(hasher.algorithm())).collect())
        });
        (self.position, self.saved, self.hashers) = (position, position, hashers);
    }
}
