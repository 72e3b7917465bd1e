//! Opening a part: lock, remove leftovers, and look at what is there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Durability, JournalState, OpenPart, Opened, Part, PartError, Recovered, Target};
use crate::fs::{FileId, Fs, FsFile, Open, Stat, is_of_the_disk};
use crate::journal::{self, Fold, HeadError, Parsed};
use crate::lock::LockError;
use crate::named;
use crate::own::{self, NotOurs};

/// One try is enough, unless another program keeps creating files there.
const TRIES: u32 = 4;

impl Part {
    /// Locks the part of `target` (creating it empty where there is none) and recovers.
    ///
    /// The last run may have left anything that a crash can leave; each state is either resumed, or moved
    /// aside and reported. Nothing is believed that was not proven (G3).
    ///
    /// # Errors
    /// [`PartError::Locked`] if another process has it (G5), [`PartError::NewerFormat`] with
    /// everything left untouched, [`PartError::NotOurs`] for what others put there, [`PartError::Io`] where
    /// the system refuses.
    pub fn open(fs: Arc<dyn Fs>, target: &Target, how: OpenPart) -> Result<Opened, PartError> {
        let mut set_aside = None;
        for _ in 0..TRIES {
            let files = LockedFiles::lock(&*fs, target)?;
            match files.look(how.durability)? {
                OnDisk::Journal { journal, fold } => {
                    if super::finish::was_finished(&*fs, target, &files.part, &journal, &fold, how)?
                    {
                        return Ok(Opened::Finished);
                    }
                    if files.flaw.is_some() {
                        set_aside = Some(move_aside(&*fs, files.stat.id, &target.part())?);
                        continue;
                    }
                    let (part, recovered) =
                        super::recover::recover(fs, target, how, files.part, journal, fold)?;
                    return Ok(Opened::Part(part, Recovered { set_aside, ..recovered }));
                }
                OnDisk::Nothing => {
                    let state = JournalState::default();
                    let part =
                        Self::new(fs, target, how.durability, files.part, files.stat.id, state);
                    return Ok(Opened::Part(part, Recovered { set_aside, ..Recovered::default() }));
                }
                OnDisk::Untrusted { part, journal } => {
                    let journal = files.journal.as_ref().filter(|_| journal);
                    let moved_journal = journal
                        .map(|journal| move_aside(&*fs, journal.id, &target.journal()))
                        .transpose()?;
                    let moved_part = part
                        .then(|| move_aside(&*fs, files.stat.id, &target.part()))
                        .transpose()?;
                    set_aside = moved_part.or(moved_journal).or(set_aside);
                }
            }
        }
        Err(PartError::io("adopt", &target.part())(io::ErrorKind::ResourceBusy.into()))
    }
}

/// A locked part, and the locked journal beside it.
pub(super) struct LockedFiles {
    pub(super) part: Arc<dyn FsFile>,
    /// As the part was found.
    pub(super) stat: Stat,
    /// Why it may be neither used nor written to.
    pub(super) flaw: Option<NotOurs>,
    pub(super) journal: Option<JournalFile>,
    journal_path: PathBuf,
}

pub(super) struct JournalFile {
    file: Arc<dyn FsFile>,
    pub(super) id: FileId,
    /// Why nothing of it may be believed.
    flaw: Option<NotOurs>,
    bytes: Vec<u8>,
}

/// A journal that can be read, and what it was read from.
pub(super) struct Journal {
    pub(super) file: Arc<dyn FsFile>,
    pub(super) bytes: Vec<u8>,
    pub(super) parsed: Parsed,
}

#[allow(clippy::large_enum_variant, reason = "one exists at a time, for a moment")]
pub(super) enum OnDisk {
    Journal { journal: Journal, fold: Fold },
    Nothing,
    Untrusted { part: bool, journal: bool },
}

impl LockedFiles {
    /// The journal is locked as well as the part: between the rename of a finished part and the
    /// removal of its journal, its owner holds nothing at `NAME.part`, and must not remove the journal
    /// of another process.
    pub(super) fn lock(fs: &dyn Fs, target: &Target) -> Result<Self, PartError> {
        let path = target.part();
        // Private until it is finished: whoever opened it before could still write to it then.
        let (part, flaw) = own::lock_movable(fs, &path, Open::Create { mode: 0o600 })
            .map_err(|error| PartError::lock(error, &path, &path))?;
        let stat = part.stat().map_err(PartError::io("inspect", &path))?;
        if stat.mode & !target.mode() & 0o666 != 0 && flaw.is_none() {
            // Left by a run that did not keep it private.
            match part.set_mode(0o600) {
                Err(error) if is_of_the_disk(&error) => {
                    return Err(PartError::io("set the mode of", &path)(error));
                }
                // Set, or not supported: some file systems have one mode for all files.
                _ => {}
            }
        }
        // Only now: under the lock no other process is about to rename it.
        let (temporary, replacement) = (target.temporary(), target.replacement());
        // A process that holds a new journal writes to a part that lost its name, and is about to notice.
        named::sweep(fs, &temporary).map_err(|error| PartError::lock(error, &temporary, &path))?;
        match named::sweep(fs, &replacement) {
            // A small file that another process saves at this instant has nothing to do with the part.
            Ok(()) | Err(LockError::Held { .. } | LockError::NotOurs(_)) => {}
            Err(LockError::Io(error)) => {
                return Err(PartError::io("remove", &replacement)(error));
            }
        }

        let journal_path = target.journal();
        let journal = match own::lock_movable(fs, &journal_path, Open::ReadWrite) {
            Ok((file, flaw)) => {
                let read =
                    journal::read_bytes(&*file).and_then(|bytes| Ok((file.stat()?.id, bytes)));
                let (id, bytes) = read.map_err(PartError::io("read", &journal_path))?;
                Some(JournalFile { file, id, flaw, bytes })
            }
            Err(LockError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                // Its owner has just renamed the part: the empty one here is our own. If it stays, the
                // next run finds an empty part.
                if stat.len == 0 && matches!(error, LockError::Held { .. }) {
                    // If it stays it holds nothing; the error matters more.
                    let _ = named::remove(fs, stat.id, &path);
                }
                return Err(PartError::lock(error, &journal_path, &path));
            }
        };
        Ok(Self { part, stat, flaw, journal, journal_path })
    }

    pub(super) fn look(&self, durability: Durability) -> Result<OnDisk, PartError> {
        let Some(JournalFile { file, bytes, flaw, .. }) = &self.journal else {
            // A part without a journal is worth nothing. One of a run that kept no journal is
            // simply written over by the next such run.
            let part = self.flaw.is_some() || self.stat.len > 0 && durability != Durability::None;
            return Ok(match part {
                true => OnDisk::Untrusted { part, journal: false },
                false => OnDisk::Nothing,
            });
        };
        let untrusted =
            OnDisk::Untrusted { part: self.flaw.is_some() || self.stat.len > 0, journal: true };
        if flaw.is_some() {
            return Ok(untrusted);
        }
        match journal::parse(bytes) {
            Ok(parsed) => {
                let fold = journal::fold(&parsed.entries);
                // Every journal starts with its description: without it the header is damaged.
                if fold.meta.is_some() {
                    let (file, bytes) = (Arc::clone(file), bytes.clone());
                    return Ok(OnDisk::Journal { journal: Journal { file, bytes, parsed }, fold });
                }
            }
            Err(HeadError::Newer(found)) => {
                return Err(PartError::NewerFormat { path: self.journal_path.clone(), found });
            }
            Err(HeadError::Unreadable) => {}
        }
        Ok(untrusted)
    }
}

/// Moves a file to the first free `PATH.aside-N`, never over another. Durable with the beginning
/// that follows.
fn move_aside(fs: &dyn Fs, file: FileId, path: &Path) -> Result<PathBuf, PartError> {
    named::move_aside(fs, file, path, path).map_err(PartError::name("move aside", path))
}
