//! The flight recorder: which items are in flight, for the run that comes after a crash.
//!
//! A row per start would double the cost of a small file. So a start writes 32 bytes by position
//! into a slot of a file beside the ledger, and an end writes 32 zeros. It is never synced: it has to
//! survive a kill, which the page cache does, and no item causes a power cut. The file is also the lock of
//! the ledger (G5), as long as it has an owner.

mod format;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use piton_durable::fs::{Fs, FsFile, Open, OsFs, read_full_at, with_suffix, write_all_at};
use piton_durable::own::{self, OwnError};

pub use format::Entry;

use super::error::LedgerError;
use super::outcome::Key;
use format::{Head, MAX_SLOTS, SLOT, parse};

/// For the fuzzer and its property test only.
#[doc(hidden)]
pub mod fuzzing {
    pub use super::format::{Head, parse};
}

/// Where the recorder of the ledger at `ledger` is: `LIST.piton.db` has `LIST.piton.flight`.
pub fn path_of(ledger: &Path) -> PathBuf {
    if ledger.extension().is_some_and(|extension| extension == "db") {
        return ledger.with_extension("flight");
    }
    with_suffix(ledger, ".flight")
}

/// The items that are in flight in the process that owns the ledger, or were when it was killed.
/// Takes no lock, and shows one moment.
///
/// # Errors
/// [`LedgerError::NotOurs`], [`LedgerError::Io`].
pub fn in_flight(ledger: &Path) -> Result<Vec<Entry>, LedgerError> {
    let path = path_of(&super::open::resolve(ledger)?);
    let file = match own::open(&OsFs, &path) {
        Ok(file) => file,
        Err(OwnError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(LedgerError::own("open", &path)(error)),
    };
    let bytes = read(&*file).map_err(LedgerError::io("read", &path))?;
    // One without a header has no attempts: it is just being created.
    Ok(parse(&bytes).map(|(_, entries)| entries).unwrap_or_default())
}

fn read(file: &dyn FsFile) -> io::Result<Vec<u8>> {
    let most = (u64::from(MAX_SLOTS) + 1) * SLOT as u64;
    let mut bytes = vec![0; usize::try_from(file.stat()?.len.min(most)).unwrap_or(0)];
    let len = read_full_at(file, &mut bytes, 0)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// The recorder of a dead run, or an empty one, locked.
pub(super) struct LockedRecorder {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    bytes: Vec<u8>,
}

impl LockedRecorder {
    /// Locks the recorder of `ledger`, creating it where there is none.
    pub(super) fn lock(fs: Arc<dyn Fs>, ledger: &Path) -> Result<Self, LedgerError> {
        let path = path_of(ledger);
        let file = own::lock_ours(&*fs, &path, Open::Create { mode: 0o600 })
            .map_err(|error| LedgerError::lock(error, &path, ledger))?;
        let bytes = read(&*file).map_err(LedgerError::io("read", &path))?;
        Ok(Self { fs, path, file, bytes })
    }

    /// What was in flight when the owner of the ledger with this number died.
    pub(super) fn entries(&self, ledger: u64) -> Vec<Entry> {
        parse(&self.bytes)
            .filter(|(head, _)| head.ledger == ledger)
            .map(|(_, entries)| entries)
            .unwrap_or_default()
    }

    /// Empties it and begins to record.
    pub(super) fn begin(self, ledger: u64) -> Result<Recorder, LedgerError> {
        let Self { fs, path, file, .. } = self;
        let salt = fs.random().map_err(LedgerError::io("get random bits for", &path))?;
        let head = Head { ledger, salt }.encode();
        file.set_len(0)
            .and_then(|()| write_all_at(&*file, &head, 0))
            .map_err(LedgerError::io("write", &path))?;
        Ok(Recorder { fs, path, file, salt, slots: Mutex::default() })
    }

    /// The ledger could not be opened: removes a recorder that did not exist before.
    pub(super) fn give_up(self) {
        if self.bytes.is_empty() {
            // An empty one that stays is found empty by the next owner.
            let _ = self.fs.remove(&self.path);
        }
    }
}

/// Records what is in flight; holds the lock of the ledger.
pub(super) struct Recorder {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    salt: u64,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    free: Vec<u32>,
    /// All below were in use at some time.
    next: u32,
}

impl Recorder {
    pub(super) fn begin(
        self: &Arc<Self>,
        key: Key,
        attempt: u32,
        since: u64,
    ) -> Result<InFlight, LedgerError> {
        // Created before the write: if that fails, its drop clears the slot.
        let slot = self.slots().take();
        let entry = Entry { key, attempt, since, harmless: false };
        let (harmless, recorded) = Default::default();
        let flight = InFlight { recorder: Arc::clone(self), slot, entry, harmless, recorded };
        flight.write(entry).map_err(LedgerError::io("write", &self.path))?;
        Ok(flight)
    }

    /// A clean end: nothing is in flight, and no file is left.
    pub(super) fn end(&self) -> Result<(), LedgerError> {
        self.fs.remove(&self.path).map_err(LedgerError::io("remove", &self.path))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn take(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.next;
        (slot < MAX_SLOTS).then(|| {
            self.next = slot.saturating_add(1);
            slot
        })
    }
}

fn offset(slot: u32) -> u64 {
    (u64::from(slot) + 1) * SLOT as u64
}

/// An item that is in flight until this is dropped. Keep it until the outcome has been recorded. At most
/// 65,536 at once are recorded.
#[must_use = "dropping it means that the item is no longer in flight"]
pub struct InFlight {
    recorder: Arc<Recorder>,
    slot: Option<u32>,
    entry: Entry,
    harmless: AtomicBool,
    recorded: AtomicBool,
}

impl InFlight {
    /// Notes that its outcome is committed. That outweighs the slot, which need not be cleared.
    pub fn recorded(&self) {
        self.recorded.store(true, Ordering::Relaxed);
    }

    /// Notes that the process has survived the item in this try: it was received and waits for the disk, it
    /// waits for another try, it has been in flight for long, or it ended and waits for the ledger. If the
    /// process dies now, the item counts as interrupted, but not as a possible cause. Writes the slot.
    pub fn mark_harmless(&self) {
        if !self.harmless.swap(true, Ordering::Relaxed) {
            // If this fails, it counts as a possible cause.
            let _ = self.write(Entry { harmless: true, ..self.entry });
        }
    }

    fn write(&self, entry: Entry) -> io::Result<()> {
        let Some(slot) = self.slot else { return Ok(()) };
        write_all_at(&*self.recorder.file, &entry.encode(self.recorder.salt), offset(slot))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        if !self.recorded.load(Ordering::Relaxed) {
            // If this fails, the outcome, if there was one, still counts as later than the slot.
            let _ = write_all_at(&*self.recorder.file, &[0; SLOT], offset(slot));
        }
        self.recorder.slots().free.push(slot);
    }
}
