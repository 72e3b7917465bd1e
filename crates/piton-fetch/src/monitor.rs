//! What a download tells while it runs: figures to poll, and events as they happen.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use piton_checkpoint::Change;
use piton_durable::fs::Lack;

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The server answered and the target is known.
    Started {
        /// The final name.
        path: PathBuf,
        /// Length of the whole, where the server says.
        size: Option<u64>,
        /// Bytes that an earlier run left and that are believed.
        resumed: u64,
        /// Whether the server gives ranges, so that a later run can resume.
        resumable: bool,
        /// "HTTP/1.1", "HTTP/2".
        protocol: &'static str,
    },
    /// A failure that is tolerated: the same again after a pause.
    Retrying {
        /// What failed.
        why: String,
        /// The pause.
        pause: Duration,
        /// Failures since the last progress.
        tries: u32,
    },
    /// The server allows fewer connections than were used.
    FewerConnections {
        /// How many are used from now on.
        limit: u32,
    },
    /// A connection was given up because nothing, or next to nothing, came over it.
    Replaced,
    /// The source changed: everything from the start.
    StartedOver {
        /// How that is known.
        change: Change,
    },
    /// One of several URLs is not used any more; the download continues with the others.
    MirrorDropped {
        /// Its URL, without a login.
        url: String,
        /// Why.
        why: String,
    },
    /// Bytes on disk were not those that were written: fetched again.
    Damaged {
        /// How many bytes.
        bytes: u64,
    },
    /// A part that cannot be believed was moved out of the way.
    SetAside {
        /// To there.
        path: PathBuf,
    },
    /// The file system keeps less than others do. Told once for each client and kind.
    Lacks {
        /// What, and what no longer holds.
        what: Lack,
        /// A file there.
        path: PathBuf,
    },
    /// The server sent the body encoded although identity was asked for: kept as sent.
    Encoded {
        /// The coding, as the server names it.
        coding: String,
    },
    /// The server says that this is a page, and its name is that of something else. It is saved as it is.
    OddType {
        /// The final name.
        path: PathBuf,
        /// The media type.
        media_type: String,
    },
    /// All bytes are there and are being verified.
    Verifying,
    /// All bytes of a small file are here and verified, and it waits for the disk together with
    /// others: its connection is free, and another download may take its place.
    Landing,
    /// The digest did not match; part of the file or all of it is fetched once more.
    FetchingAgain {
        /// How many bytes.
        bytes: u64,
    },
}

/// Receives events, on whatever thread they happen. Must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// What a download is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for the first answer.
    #[default]
    Asking,
    /// Bytes come in.
    Fetching,
    /// All bytes are here; digests are being compared.
    Verifying,
    /// Over, one way or the other.
    Ended,
}

/// Figures at one moment.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// The final name, once known.
    pub path: Option<PathBuf>,
    /// Length of the whole, where known.
    pub size: Option<u64>,
    /// Bytes that are here.
    pub have: u64,
    /// Of those, the ones an earlier run left.
    pub resumed: u64,
    /// Bytes that came over the network in this run.
    pub fetched: u64,
    /// Bytes a second over the last few seconds.
    pub rate: f64,
    /// Connections over which bytes come.
    pub connections: u32,
}

/// One cell of the map of the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// How much of the cell is here, 0 to 1.
    pub filled: f32,
    /// Whether a connection works in it.
    pub active: bool,
}

/// The window onto one running download; clones look at the same one.
#[derive(Clone)]
pub struct Monitor {
    shared: Arc<Mutex<Shared>>,
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) progress: Progress,
    pub(crate) done: piton_checkpoint::IntervalSet,
    pub(crate) fronts: Vec<u64>,
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Monitor {
    /// A window, with someone who is told of events.
    pub fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self { shared: Arc::default(), observer }
    }

    /// The figures now.
    pub fn progress(&self) -> Progress {
        self.shared().progress.clone()
    }

    /// The file as `cells` cells, left to right; empty while its length is unknown.
    pub fn map(&self, cells: usize) -> Vec<Piece> {
        let shared = self.shared();
        let Some(size) = shared.progress.size.filter(|&size| size > 0) else { return Vec::new() };
        let bound = |cell: usize| (u128::from(size) * cell as u128 / cells.max(1) as u128) as u64;
        (0..cells)
            .map(|cell| {
                let range = bound(cell)..bound(cell + 1).max(bound(cell) + 1);
                let missing: u64 =
                    shared.done.gaps(range.clone()).map(|gap| gap.end - gap.start).sum();
                let filled = 1.0 - missing as f32 / (range.end - range.start) as f32;
                let active = shared.fronts.iter().any(|front| range.contains(front));
                Piece { filled, active }
            })
            .collect()
    }

    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(observer) = &self.observer {
            observer.event(&event);
        }
    }
}
