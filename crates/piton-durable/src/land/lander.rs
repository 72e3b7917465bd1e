//! The thread that lands, and how much it takes.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Landing, Pipeline, Told};
use crate::fs::Fs;

/// Files that wait for their names: each keeps a descriptor open, and 1024 are the usual limit of a
/// process.
const FILES: usize = 512;
/// Bytes of those files (G8).
const BYTES: usize = 64 << 20;
/// A kill loses the files that wait for the sync under way and those that came in meanwhile. Both
/// groups came in within as much time as this, counted from the beginning of a cycle, so that together
/// they are what came in within a tenth of a second (G2).
const WINDOW: Duration = Duration::from_millis(50);
/// From the beginning of a cycle to that of the next at least, while files are being received: on a disk
/// that is always ready, what comes in meanwhile shares the wake-ups too, not only the syncs.
const PACE: Duration = Duration::from_millis(2);

/// Lands files on a thread of its own, those that come in during one cycle as the group of the next.
/// Dropping it lands what it was given and waits for that.
pub struct Lander {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when there is something to do.
    work: Condvar,
    /// Called when there may be room again.
    on_room: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    queue: Vec<(Landing, Told)>,
    /// Rooms that are taken.
    files: usize,
    bytes: usize,
    /// How many of those files have their name already, and wait for it to be durable.
    named: usize,
    /// When the cycle that is under way began.
    cycle: Option<Instant>,
    /// Somebody asked for a room and there was none.
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

/// The place of one file among those that may wait; given back by dropping it.
pub struct Room {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Lander {
    /// Starts the thread. `on_room` is called, on any thread, when [`Lander::room`] may have one after
    /// it had none; it must not block.
    ///
    /// # Errors
    /// Where the system has no thread left.
    pub fn start(fs: Arc<dyn Fs>, on_room: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
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

    /// Room for a file of so many bytes. `None` while too many files or bytes wait, or the disk takes
    /// so long that a kill would cost more than it may: not to be received before there is room.
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

    /// Lands a file. `told` hears how it ended, once, and by then the room is free again; it is dropped
    /// unheard only if the thread has died.
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
            // The thread has no panic of its own; were there one, whoever waited has been told by the drop of
            // what it waited with, and all is as after a kill.
            let _ = thread.join();
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.make_room(|state| {
            state.files = state.files.saturating_sub(1);
            state.bytes = state.bytes.saturating_sub(self.bytes);
        });
    }
}

impl State {
    /// Whether a room is taken whose file has not come in yet.
    fn receives(&self) -> bool {
        self.files > self.queue.len() + self.named
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what may make room, and says so to those who found none.
    fn make_room(&self, how: impl FnOnce(&mut State)) {
        let mut state = self.state();
        how(&mut state);
        let wanted = std::mem::take(&mut state.refused);
        drop(state);
        if wanted {
            (self.on_room)();
        }
    }
}

/// Whoever waits for a landing hears of the end of the thread, whatever that was.
struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.make_room(|state| {
            state.closing = true;
            state.cycle = None;
        });
        let left = std::mem::take(&mut self.0.state().queue);
        drop(left);
    }
}

fn run(shared: &Shared, mut pipeline: Pipeline) {
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
        shared.make_room(|state| state.cycle = None);
    }
}
