//! The thread that lands files, and how much it accepts.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Landing, Pipeline, Told};
use crate::fs::Fs;

/// Files that wait for their names: each keeps a descriptor open, and the usual limit of a process is
/// 1024.
const FILES: usize = 512;
/// Bytes of those files (G8).
const BYTES: usize = 64 << 20;
/// A kill loses the files that wait for the current sync and those that arrived meanwhile. Each
/// group arrived within this time, counted from the start of a cycle, so that together they arrived
/// within a tenth of a second (G2).
const WINDOW: Duration = Duration::from_millis(50);
/// The least time from the start of a cycle to the next while files are being received: on a fast disk, files
/// that arrive meanwhile share the wake-ups too, not only the syncs.
const PACE: Duration = Duration::from_millis(2);

/// Lands files on a thread of its own; those that arrive during one cycle are the group of the next.
/// Dropping it lands what was queued and waits for that.
pub struct Lander {
    shared: Arc<LanderShared>,
    thread: Option<JoinHandle<()>>,
}

struct LanderShared {
    state: Mutex<LanderState>,
    /// Notified when there is something to do.
    work: Condvar,
    /// Called when there may be room again.
    on_room: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct LanderState {
    queue: Vec<(Landing, Told)>,
    /// Rooms in use.
    files: usize,
    bytes: usize,
    /// How many of those files have their name already, and wait for it to be durable.
    named: usize,
    /// When the current cycle began.
    cycle: Option<Instant>,
    /// A room was refused.
    refused: bool,
    wait: Wait,
    closing: bool,
}

/// Whether the thread has to be told of a file.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Wait {
    /// It is at work and looks by itself.
    #[default]
    Not,
    /// Of any: it has nothing to do.
    ForWork,
    /// Of the last of those that are being received: it lets them share a cycle.
    ForTheLast,
}

/// Permission for one file to wait; dropping it returns it.
pub struct Room {
    shared: Arc<LanderShared>,
    bytes: usize,
}

impl Lander {
    /// Starts the thread. `on_room` is called, on any thread, when [`Lander::room`] may have one after
    /// it had none; it must not block.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(fs: Arc<dyn Fs>, on_room: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let shared = Arc::new(LanderShared {
            state: Mutex::default(),
            work: Condvar::new(),
            on_room: Box::new(on_room),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("piton-land".to_owned())
            .stack_size(256 << 10)
            .spawn(move || run(&own, Pipeline::new(fs)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Room for a file of this many bytes. `None` while too many files or bytes wait, or the disk is
    /// so slow that a kill would cost too much: do not receive the file before there is room.
    pub fn room(&self, bytes: usize) -> Option<Room> {
        let mut state = self.shared.state();
        let late = state.cycle.is_some_and(|began| began.elapsed() > WINDOW);
        let full = state.files >= FILES || state.bytes.saturating_add(bytes) > BYTES;
        if late || (full && state.files > 0) {
            state.refused = true;
            return None;
        }
        state.files += 1;
        state.bytes = state.bytes.saturating_add(bytes);
        Some(Room { shared: Arc::clone(&self.shared), bytes })
    }

    /// Lands a file. `told` is called once with the result, when the room is free again; it is dropped
    /// without a call only if the thread has died.
    pub fn land(&self, room: Room, landing: Landing, told: Told) {
        let told: Told = Box::new(move |ended| {
            drop(room);
            told(ended);
        });
        let mut state = self.shared.state();
        if state.closing {
            drop(state);
            return;
        }
        state.queue.push((landing, told));
        let waits = match state.wait {
            Wait::Not => false,
            Wait::ForWork => true,
            Wait::ForTheLast => !state.receives(),
        };
        if waits {
            state.wait = Wait::Not;
        }
        drop(state);
        if waits {
            self.shared.work.notify_one();
        }
    }
}

impl Drop for Lander {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread does not panic. If it did, callers learned of it from the drop of their callback,
            // and all is as after a kill.
            let _ = thread.join();
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.free_room(|state| {
            state.files = state.files.saturating_sub(1);
            state.bytes = state.bytes.saturating_sub(self.bytes);
        });
    }
}

impl LanderState {
    /// Whether a room is taken whose file has not come in yet.
    fn receives(&self) -> bool {
        self.files > self.queue.len() + self.named
    }
}

impl LanderShared {
    fn state(&self) -> MutexGuard<'_, LanderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what may make room, and notifies those that found none.
    fn free_room(&self, how: impl FnOnce(&mut LanderState)) {
        let mut state = self.state();
        how(&mut state);
        let wanted = std::mem::take(&mut state.refused);
        drop(state);
        if wanted {
            (self.on_room)();
        }
    }
}

/// Notifies waiting callers when the thread ends, for whatever reason.
struct Running<'a>(&'a LanderShared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.free_room(|state| {
            state.closing = true;
            state.cycle = None;
        });
        let left = std::mem::take(&mut self.0.state().queue);
        drop(left);
    }
}

fn run(shared: &LanderShared, mut pipeline: Pipeline) {
    let _running = Running(shared);
    let mut last: Option<Instant> = None;
    loop {
        let mut state = shared.state();
        while state.queue.is_empty() && pipeline.is_settled() {
            if state.closing {
                return;
            }
            state.wait = Wait::ForWork;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.wait = Wait::Not;
        }
        state.named = pipeline.named();
        while let Some(early) = last.and_then(|began| PACE.checked_sub(began.elapsed()))
            && state.receives()
            && !state.closing
        {
            state.wait = Wait::ForTheLast;
            let waited = shared.work.wait_timeout(state, early);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.wait = Wait::Not;
        }
        let group = std::mem::take(&mut state.queue);
        let now = Instant::now();
        (state.cycle, last) = (Some(now), Some(now));
        drop(state);
        if group.is_empty() {
            pipeline.settle();
        } else {
            pipeline.cycle(group);
        }
        shared.free_room(|state| state.cycle = None);
    }
}
