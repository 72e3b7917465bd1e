use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use piton_durable::part::{Durability, PartError};

use super::Shared;
use crate::digest::{Algorithm, Digest, Hasher};

/// Read and hashed at once.
const CHUNK: usize = 512 << 10;
/// How far a saved midstate may lag behind.
const SAVE_EVERY: u64 = 32 << 20;

/// Hashers for these algorithms, each from its saved state if that lies within the first `trusted`
/// bytes, else from the start.
pub(crate) fn restore(
    algorithms: impl IntoIterator<Item = Algorithm>,
    saved: &BTreeMap<u8, Vec<u8>>,
    trusted: u64,
) -> Vec<Hasher> {
    algorithms
        .into_iter()
        .map(|algorithm| {
            saved
                .get(&algorithm.code())
                .and_then(|state| Hasher::restore(algorithm, state).ok())
                .filter(|hasher| hasher.position() <= trusted)
                .unwrap_or_else(|| Hasher::new(algorithm))
        })
        .collect()
}

/// The thread that hashes the part in order, behind the contiguous front of what is written.
/// Dropping it ends it.
pub(crate) struct Hashing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Vec<Hasher>, PartError>>>,
}

impl Hashing {
    /// Starts it; with no hashers it has nothing to do and no thread.
    pub(crate) fn start(shared: &Arc<Shared>, hashers: Vec<Hasher>) -> std::io::Result<Self> {
        if hashers.is_empty() {
            return Ok(Self { shared: Arc::clone(shared), thread: None });
        }
        let own = Arc::clone(shared);
        {
            let mut state = shared.state();
            state.hashing = true;
            state.hash_end = None;
            state.hash_closing = false;
        }
        let thread = std::thread::Builder::new()
            .name("piton-digest".to_owned())
            .stack_size(256 << 10)
            .spawn(move || run(&own, hashers))?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }

    /// Ends [`Hashing::finish`] early, from elsewhere.
    pub(crate) fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.shared))
    }

    /// Waits until the first `len` bytes are hashed. Blocks.
    pub(crate) fn finish(mut self, len: u64) -> Result<Vec<Digest>, PartError> {
        self.shared.state().hash_end = Some(len);
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
            self.shared.state().hash_closing = true;
            self.shared.front.notify_all();
            let _ = thread.join();
        }
        self.shared.state().hashing = false;
    }
}

/// See [`Hashing::canceller`].
pub(crate) struct Canceller(Arc<Shared>);

impl Canceller {
    pub(crate) fn cancel(&self) {
        self.0.state().hash_closing = true;
        self.0.front.notify_all();
    }
}

fn run(shared: &Shared, mut hashers: Vec<Hasher>) -> Result<Vec<Hasher>, PartError> {
    let mut buffer = vec![0; CHUNK];
    let mut position = hashers.iter().map(Hasher::position).min().unwrap_or(0);
    let mut saved = position;
    loop {
        let mut state = shared.state();
        let wanted = loop {
            let front = state.written.end_of_run(position).unwrap_or(position);
            let end = state.hash_end;
            if state.hash_closing || end.is_some_and(|end| position >= end) {
                return Ok(hashers);
            }
            // Whole chunks while bytes still come in, what is left at the end.
            let limit = end.map_or(front, |end| front.min(end));
            let ready = limit.saturating_sub(position);
            if ready >= CHUNK as u64 || (ready > 0 && end.is_some()) {
                break (ready.min(CHUNK as u64)) as usize;
            }
            if end.is_some() {
                // Asked to finish although the front does not reach the end: nothing to wait for.
                return Ok(hashers);
            }
            state = match shared.front.wait(state) {
                Ok(state) => state,
                Err(poisoned) => poisoned.into_inner(),
            };
        };
        drop(state);
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        let read = shared.part.read(chunk, position)?;
        let chunk = chunk.get(..read).unwrap_or_default();
        if chunk.is_empty() {
            return Ok(hashers);
        }
        for hasher in &mut hashers {
            let behind = hasher.position().saturating_sub(position) as usize;
            hasher.update(chunk.get(behind..).unwrap_or_default());
        }
        position += read as u64;
        if position - saved >= SAVE_EVERY && shared.durability != Durability::None {
            saved = position;
            let midstates = hashers.iter().map(|h| (h.algorithm().code(), h.save().bytes));
            let midstates = midstates.collect();
            shared.state().midstates = midstates;
        }
    }
}
