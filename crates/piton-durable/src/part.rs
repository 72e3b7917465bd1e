//! The part file: bytes that came in, and the journal that says which of them may be believed.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::fs::{Existing, Fs};

/// The three names of one download: `NAME`, `NAME.part`, `NAME.piton`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
}

impl Target {
    /// The target whose final name is `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// `NAME.part`.
    pub fn part(&self) -> PathBuf {
        todo!()
    }
    /// `NAME.piton`.
    pub fn journal(&self) -> PathBuf {
        todo!()
    }
}

/// How much a crash may cost (`--durability`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Survives a power cut.
    #[default]
    Power,
    /// Survives the death of the process; no syncs.
    Process,
    /// No journal at all.
    None,
}

/// Bytes of the part that a journal record claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub start: u64,
    /// Bytes; never 0.
    pub len: u64,
    /// CRC32C of the bytes.
    pub crc: u32,
}

/// How [`Part::open`] opens.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenPart {
    /// What a crash may cost.
    pub durability: Durability,
    /// Read back and compare every claimed extent, also those that were synced (`--verify-part`).
    pub verify_all: bool,
}

/// What [`Part::open`] found.
pub enum Opened {
    /// The part is open and locked. Where `Recovered::meta` is `None` nothing usable was there and
    /// [`Part::begin`] comes next.
    Part(Part, Recovered),
    /// Journal and final file stood there and no part: the last run ended between its rename and
    /// the removal of its journal. The journal has now been removed; the download is complete.
    Finished,
}

/// What a resume may believe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest description of the download (opaque here), if there was a journal.
    pub meta: Option<Vec<u8>>,
    /// Extents that may be believed, in order of their start, never overlapping: synced, or read
    /// back and matching their CRC (G3).
    pub extents: Vec<Extent>,
    /// Newest saved hash state of each kind (opaque here).
    pub hashes: BTreeMap<u8, Vec<u8>>,
    /// Ranges that the journal claimed but the disk does not hold: read back and found different.
    pub damaged: Vec<Range<u64>>,
    /// Whether the journal says that everything was verified and only the finish was missing.
    pub verified: bool,
    /// Where an unbelievable part (no journal, or one whose head is unreadable) was moved to.
    pub set_aside: Option<PathBuf>,
}

/// How [`Part::finish`] ends.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The final length; the part is cut to it.
    pub len: u64,
    /// What happens to a file that stands under the final name.
    pub existing: Existing,
    /// Permission bits to set; `None` leaves those a new file gets from the umask.
    pub mode: Option<u32>,
    /// Time of last modification to set.
    pub modified: Option<SystemTime>,
    /// Extended attributes to set, where the file system has them.
    pub attributes: Vec<(String, Vec<u8>)>,
}

/// An open, locked part file with its journal. Methods take `&self` and may be called from
/// several threads; writes to different places wait neither for each other nor for a checkpoint.
pub struct Part {
    _fs: Arc<dyn Fs>,
}

impl Part {
    /// Locks the part of `target` (creating it empty where there is none) and recovers.
    pub fn open(fs: Arc<dyn Fs>, target: &Target, how: OpenPart) -> Result<Opened, PartError> {
        let _ = (fs, target, how);
        todo!()
    }
    /// Begins (or begins anew): a new journal holding `meta`, then an empty part with `size` bytes
    /// reserved. Protocol step 1. Whatever was believed before is forgotten first.
    pub fn begin(&self, meta: &[u8], size: Option<u64>) -> Result<(), PartError> {
        let _ = (meta, size);
        todo!()
    }
    /// Writes all of `buf` at `offset` of the part. Not believed after a crash until claimed.
    pub fn write(&self, buf: &[u8], offset: u64) -> Result<(), PartError> {
        let _ = (buf, offset);
        todo!()
    }
    /// Reads at `offset` of the part; fills `buf` as far as the part goes.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> Result<usize, PartError> {
        let _ = (buf, offset);
        todo!()
    }
    /// Appends `Written` to the journal, without a sync: survives a kill, not a power cut.
    pub fn claim(&self, extent: Extent) -> Result<(), PartError> {
        let _ = extent;
        todo!()
    }
    /// Protocol step 3: fdatasync the part, append `Synced` for all claimed before this call,
    /// fdatasync the journal. Afterwards those survive a power cut. Compacts when it pays.
    /// After an error the part is poisoned: every later call but reads fails with the same error.
    pub fn checkpoint(&self) -> Result<(), PartError> {
        todo!()
    }
    /// Asks the system to start writing these bytes back; a hint before a checkpoint.
    pub fn start_writeback(&self, range: Range<u64>) {
        let _ = range;
        todo!()
    }
    /// Replaces the description of the download (durable at the next checkpoint).
    pub fn put_meta(&self, meta: &[u8]) -> Result<(), PartError> {
        let _ = meta;
        todo!()
    }
    /// Saves a hash state of this kind (durable at the next checkpoint).
    pub fn put_hash(&self, kind: u8, state: &[u8]) -> Result<(), PartError> {
        let _ = (kind, state);
        todo!()
    }
    /// Takes back every claim on these bytes (they are to be fetched again), and every hash state.
    pub fn forget(&self, range: Range<u64>) -> Result<(), PartError> {
        let _ = range;
        todo!()
    }
    /// What is claimed now, in order, never overlapping.
    pub fn extents(&self) -> Vec<Extent> {
        todo!()
    }
    /// Reads every claimed extent back and returns the ranges whose CRC does not match.
    pub fn damaged(&self) -> Result<Vec<Range<u64>>, PartError> {
        todo!()
    }
    /// Protocol step 6, from "verified" on: says so in the journal, sets mode and times, syncs,
    /// renames, syncs the directory, removes the journal. Returns the final path.
    pub fn finish(self, finish: Finish) -> Result<PathBuf, PartError> {
        let _ = finish;
        todo!()
    }
    /// Removes part and journal: the download is given up.
    pub fn discard(self) -> Result<(), PartError> {
        todo!()
    }
}

/// What could not be done with a part, its journal or its final name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// Another process holds the part.
    #[error("{} is being written by another process{}", path.display(), pid(*.holder))]
    Locked {
        /// The part.
        path: PathBuf,
        /// The process that holds it, where the system tells.
        holder: Option<u32>,
    },
    /// The final name is taken and replacing was not asked for.
    #[error("{} already exists", path.display())]
    Exists {
        /// The final name.
        path: PathBuf,
    },
    /// A journal of a newer format: this program must not touch it.
    #[error("{} was written by a newer version of piton (journal format {found})", path.display())]
    NewerFormat {
        /// The journal.
        path: PathBuf,
        /// Its format version.
        found: u16,
    },
    /// The operating system refused an operation.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb: "write", "sync", "rename".
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn pid(holder: Option<u32>) -> String {
    holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
