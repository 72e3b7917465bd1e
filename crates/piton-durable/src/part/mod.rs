//! The part file: received bytes, and the journal that says which of them may be believed.

mod adopt;
mod begin;
mod checkpoint;
mod error;
mod finish;
mod names;
mod open;
mod recover;
mod reserve;
mod target;
mod verify;
mod write;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use crate::fs::{Existing, FileId, Fs, FsFile};
use crate::journal::log::{AppendError, Log};
use crate::journal::{Fold, Record};

pub use crate::extent::Extent;
pub use adopt::Foreign;
pub use error::PartError;
use error::Poison;
use reserve::Reserved;
pub use target::Target;

/// How much a crash may cost (`--durability`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Survives a power cut.
    #[default]
    Power,
    /// Survives the death of the process; no syncs. Nothing is recorded as synced either, so the
    /// next run reads everything back before it believes it.
    Process,
    /// No journal. If an earlier run left one, it is kept up to date as with [`Durability::Process`],
    /// so that changing this option loses nothing.
    None,
}

/// How [`Part::open`] opens.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenPart {
    /// What a crash may cost.
    pub durability: Durability,
    /// Read back and compare every claimed extent, also those that were synced (`--verify-part`).
    pub verify_all: bool,
    /// What becomes of bytes that were written and not known to be synced.
    pub unsynced: Unsynced,
}

/// What becomes of bytes of an earlier run that were written and not known to be synced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unsynced {
    /// They are read back and written again, which costs space where bytes are shared with other files. Without
    /// space for that they are forgotten.
    #[default]
    Rewrite,
    /// They are forgotten: to get them again costs little.
    Forget,
}

/// What [`Part::open`] found.
#[allow(clippy::large_enum_variant, reason = "one exists per download, and is taken apart at once")]
pub enum Opened {
    /// The part is open and locked. Where `Recovered::meta` is `None` nothing usable was there and
    /// [`Part::begin`] comes next.
    Part(Part, Recovered),
    /// There were a journal and the final file, and no part: the last run ended between its rename and
    /// the removal of its journal. The journal has now been removed; the download is complete.
    Finished,
}

/// What a resume may believe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The newest description of the download (opaque here), if there was a journal.
    pub meta: Option<Vec<u8>>,
    /// Extents that may be believed, in order of their start, never overlapping: synced, or read
    /// back with a matching CRC (G3).
    pub extents: Vec<Extent>,
    /// Newest saved hash state of each kind (opaque here). Empty if anything is `damaged`. A state
    /// may cover more than the extents do from the start; do not use such a state.
    pub hashes: BTreeMap<u8, Vec<u8>>,
    /// Ranges that the journal claimed but the disk does not hold: read back and found different.
    pub damaged: Vec<Range<u64>>,
    /// Whether the journal says that everything was verified and only the finish was missing, and
    /// every byte of it may be believed.
    pub verified: bool,
    /// Where a part was moved to that cannot be trusted (no journal, an unreadable header, or others may write
    /// to it: [`crate::own`]); if there was only such a journal, where that was moved to.
    pub set_aside: Option<PathBuf>,
}

/// How [`Part::finish`] ends.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The final length; the part is cut to it.
    pub len: u64,
    /// What happens to an existing file of the final name.
    pub existing: Existing,
    /// Permission bits to set; `None`: those that a new file gets from the umask.
    pub mode: Option<u32>,
    /// Time of last modification to set.
    pub modified: Option<SystemTime>,
    /// Extended attributes to set, where the file system has them.
    pub attributes: Vec<(String, Vec<u8>)>,
}

/// An open, locked part file with its journal. Methods take `&self` and may be called from
/// several threads; writes to different places wait neither for each other nor for a checkpoint.
///
/// Only the owner may read and write part and journal. The part gets the mode of a new file when it is
/// finished: anybody who could open it before could still write to the finished file.
///
/// Dropping it releases the lock and keeps everything for the next run; a part that never began is
/// removed.
pub struct Part {
    fs: Arc<dyn Fs>,
    target: Target,
    durability: Durability,
    file: Arc<dyn FsFile>,
    /// Which file that is.
    id: FileId,
    /// Space for what is to come; `None` before [`Part::expect`]. Never held together with `state`.
    reserved: Mutex<Option<Reserved>>,
    /// Held for moments only, never during a sync.
    state: Mutex<JournalState>,
    /// Held while one thread syncs, or replaces the journal. Taken before `state`.
    turn: Mutex<()>,
    /// Whether there is a journal to claim bytes in. Outside `state`, so that a write never waits.
    begun: AtomicBool,
    /// Finished or discarded: the files under the names of the part are no longer ours.
    gone: AtomicBool,
    /// The first failure after which nothing more may be done (G7).
    poison: OnceLock<Poison>,
}

/// The journal, and the state that it describes.
#[derive(Default)]
struct JournalState {
    /// `None` with [`Durability::None`], and before the beginning.
    log: Option<Log>,
    fold: Fold,
    /// During a compaction: what was appended since it began.
    since_compaction: Option<Vec<Record>>,
}

impl JournalState {
    /// Appends to the journal, and keeps `fold` in step with it.
    fn record(&mut self, record: &Record) -> Result<(), AppendError> {
        let sequence = match &mut self.log {
            Some(log) => log.append(record)?,
            None => 0,
        };
        self.fold.apply(sequence, record);
        if let Some(since) = &mut self.since_compaction {
            since.push(record.clone());
        }
        Ok(())
    }
}

impl Part {
    fn new(
        fs: Arc<dyn Fs>,
        target: &Target,
        durability: Durability,
        file: Arc<dyn FsFile>,
        id: FileId,
        state: JournalState,
    ) -> Self {
        Self {
            fs,
            target: target.clone(),
            durability,
            file,
            id,
            reserved: Mutex::new(None),
            state: Mutex::new(state),
            turn: Mutex::new(()),
            begun: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            poison: OnceLock::new(),
        }
    }

    /// `NAME.part`.
    pub fn path(&self) -> PathBuf {
        self.target.part()
    }

    /// Whether a lock keeps others out; if not, [`crate::fs::Lack::Locks`] holds.
    pub fn is_locked(&self) -> bool {
        self.file.is_locked()
    }

    fn state(&self) -> MutexGuard<'_, JournalState> {
        guard(&self.state)
    }

    /// Appends a record that a caller asked for.
    fn record(&self, record: Record) -> Result<(), PartError> {
        self.check()?;
        let appended = self.state().record(&record);
        match appended {
            Err(AppendError::Full) => {
                let _turn = guard(&self.turn);
                self.record_in_turn(record)
            }
            appended => self.appended(appended),
        }
    }

    /// Appends a record; the caller holds `turn`. A journal that is full is compacted first.
    fn record_in_turn(&self, record: Record) -> Result<(), PartError> {
        let appended = self.state().record(&record);
        match appended {
            Err(AppendError::Full) => {
                self.compact_if_there_is_room().map_err(|error| self.poisoned(error))?;
                let appended = self.state().record(&record);
                self.appended(appended)
            }
            appended => self.appended(appended),
        }
    }

    fn appended<T>(&self, result: Result<T, AppendError>) -> Result<T, PartError> {
        result.map_err(|error| self.append_error(error))
    }

    fn append_error(&self, error: AppendError) -> PartError {
        match error {
            AppendError::Full => {
                let full = std::io::ErrorKind::FileTooLarge.into();
                PartError::io("write", &self.target.journal())(full)
            }
            AppendError::Refused(source) => PartError::io("write", &self.target.journal())(source),
            AppendError::Lost(source) => {
                self.poisoned(PartError::io("write", &self.target.journal())(source))
            }
        }
    }

    /// Whether the part may still be written to.
    fn check(&self) -> Result<(), PartError> {
        match self.poison.get() {
            Some(poison) => Err(poison.error()),
            None if self.begun.load(Ordering::Acquire) => Ok(()),
            None => Err(PartError::NotBegun { path: self.target.part() }),
        }
    }

    /// Remembers `error` as the end of this part. The first error counts.
    fn poisoned(&self, error: PartError) -> PartError {
        if let Some(poison) = Poison::of(&error) {
            // Fails if one is set already.
            let _ = self.poison.set(poison);
        }
        error
    }

    fn is_durable(&self) -> bool {
        self.durability == Durability::Power
    }
}

/// Locks a mutex. A thread that panicked while it held one left no half-made state: each change is
/// made by one call.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
