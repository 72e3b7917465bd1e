//! A file that one process holds: locked from the first to the last instant, also while it is replaced as a
//! whole, renamed or moved aside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::beside::beside;
use crate::dirs::sync_found;
use crate::fs::{Existing, FileId, Fs, FsFile, Open, parent_dir, read_full_at, write_all_at};
use crate::lock::{LockError, by, lock};
use crate::named::{self, NameError, Overwrite};
use crate::own::{self, NotOurs, OwnError};
use crate::replace::{ReplaceError, StageError, StageStep, Write, stage_locked, whole};
use crate::room::is_full;

/// Which files are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// State files: what an earlier run of this user left ([`crate::own`]).
    Ours,
    /// A file of the user's own, whoever else may write to it.
    Any,
}

/// A file that is locked by this process, and its name.
pub struct Held {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    id: FileId,
}

impl Held {
    /// Opens and locks the file at `path`. `None`: there is none.
    ///
    /// # Errors
    /// [`HeldError::Locked`] without waiting; [`HeldError::NotOurs`].
    pub fn open(fs: &Arc<dyn Fs>, path: &Path, trust: Trust) -> Result<Option<Self>, HeldError> {
        match Self::lock(fs, path, trust, Open::ReadWrite) {
            Err(HeldError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// As [`Held::open`]; creates an empty file where there is none. The name is durable when this returns.
    ///
    /// # Errors
    /// As [`Held::open`].
    pub fn open_or_create(
        fs: &Arc<dyn Fs>,
        path: &Path,
        trust: Trust,
        mode: u32,
    ) -> Result<Self, HeldError> {
        let held = Self::lock(fs, path, trust, Open::Create { mode })?;
        held.sync_dir()?;
        Ok(held)
    }

    /// Creates a file of these bytes, private, at `path`, where there is none. It and its name are durable when
    /// this returns; before that it has no such name.
    ///
    /// # Errors
    /// [`HeldError::Locked`] if another process created one meanwhile.
    pub fn create(fs: &Arc<dyn Fs>, path: &Path, bytes: &[u8]) -> Result<Self, HeldError> {
        let (file, id) = staged(&**fs, path, &mut whole(bytes))?;
        place(&**fs, id, path, Overwrite::Nothing)?;
        let held = Self { fs: Arc::clone(fs), path: path.to_owned(), file, id };
        held.sync_dir()?;
        Ok(held)
    }

    fn lock(fs: &Arc<dyn Fs>, path: &Path, trust: Trust, how: Open) -> Result<Self, HeldError> {
        let locked = match trust {
            Trust::Ours => own::lock_ours(&**fs, path, how),
            Trust::Any => lock(&**fs, path, how),
        };
        let file = locked.map_err(|error| HeldError::lock(error, path))?;
        let id = file.stat().map_err(HeldError::io("inspect", path))?.id;
        Ok(Self { fs: Arc::clone(fs), path: path.to_owned(), file, id })
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself.
    pub fn file(&self) -> &Arc<dyn FsFile> {
        &self.file
    }

    /// Where it is.
    pub fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    /// Whether the file still has its name.
    ///
    /// # Errors
    /// [`HeldError::Exchanged`] if not.
    pub fn check(&self) -> Result<(), HeldError> {
        named::check(&*self.fs, self.id, &self.path).map_err(HeldError::name("inspect", &self.path))
    }

    /// Replaces the file, atomically, by one of these bytes, which is locked before it has the name and durable when
    /// this returns.
    ///
    /// # Errors
    /// The old one is there, unless only the sync of the directory failed.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<(), HeldError> {
        let (file, id) = staged(&*self.fs, &self.path, &mut whole(bytes))?;
        place(&*self.fs, id, &self.path, Overwrite::Ours(self.id))?;
        (self.file, self.id) = (file, id);
        self.sync_dir()
    }

    /// Gives the file the name `to`, durably.
    ///
    /// # Errors
    /// [`HeldError::Exists`] where that is taken and `existing` keeps it.
    pub fn rename(&mut self, to: &Path, existing: Existing) -> Result<(), HeldError> {
        named::rename(&*self.fs, self.id, &self.path, to, existing.into())
            .map_err(|error| HeldError::taken(error, "rename", to))?;
        self.path = to.to_owned();
        self.sync_dir()
    }

    /// Renames the file to the first free `PATH.aside-N`, never over another, durably; returns that name.
    ///
    /// # Errors
    /// It has its name still, unless only the sync of the directory failed.
    pub fn set_aside(mut self) -> Result<PathBuf, HeldError> {
        let path = self.path.clone();
        self.move_aside(&path)
    }

    /// Copies what is in the file from `from` on to the first free `PATH.aside-N`, durably; returns that name.
    ///
    /// # Errors
    /// The file is as it was.
    pub fn copy_aside(&self, from: u64) -> Result<PathBuf, HeldError> {
        let (copy, id) = staged(&*self.fs, &self.path, &mut |_, copy| {
            let (mut buffer, mut at) = (vec![0; 256 << 10], from);
            loop {
                let read = read_full_at(&*self.file, &mut buffer, at)
                    .map_err(StageError::of(StageStep::ReadInput, &self.path))?;
                let bytes = buffer.get(..read).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(());
                }
                write_all_at(copy, bytes, at.saturating_sub(from))
                    .map_err(StageError::of(StageStep::Write, &self.path))?;
                at = at.saturating_add(read as u64);
            }
        })?;
        let mut copy =
            Self { fs: Arc::clone(&self.fs), path: temporary_of(&self.path), file: copy, id };
        copy.move_aside(&self.path)
    }

    /// Gives the file the first free name `OF.aside-N`, durably.
    fn move_aside(&mut self, of: &Path) -> Result<PathBuf, HeldError> {
        self.path = named::move_aside(&*self.fs, self.id, &self.path, of)
            .map_err(HeldError::name("move aside", of))?;
        self.sync_dir()?;
        Ok(self.path.clone())
    }

    /// Removes the file, durably.
    ///
    /// # Errors
    /// It may still be there.
    pub fn remove(self) -> Result<(), HeldError> {
        named::remove(&*self.fs, self.id, &self.path)
            .map_err(HeldError::name("remove", &self.path))?;
        self.sync_dir()
    }

    fn sync_dir(&self) -> Result<(), HeldError> {
        sync_found(&*self.fs, parent_dir(&self.path))
            .map_err(HeldError::io("sync the directory of", &self.path))
    }
}

/// All bytes of the file.
///
/// # Errors
/// `FileTooLarge` beyond `limit`.
pub fn read_all(held: &Held, limit: u64) -> Result<Vec<u8>, HeldError> {
    all(&*held.file, limit).map_err(HeldError::io("read", &held.path))
}

/// Opens a state file that another process may hold, to look at it: its bytes, and the process that holds it. `None`: there
/// is none. Nothing is locked or changed.
///
/// # Errors
/// [`HeldError::NotOurs`]; a file that is longer than `limit`.
pub fn peek(fs: &dyn Fs, path: &Path, limit: u64) -> Result<Option<Peeked>, HeldError> {
    let file = match own::open(fs, path) {
        Ok(file) => file,
        Err(OwnError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(OwnError::Io(error)) => return Err(HeldError::io("open", path)(error)),
        Err(OwnError::NotOurs(why)) => {
            return Err(HeldError::NotOurs { path: path.to_owned(), why });
        }
    };
    let bytes = all(&*file, limit).map_err(HeldError::io("read", path))?;
    Ok(Some(Peeked { bytes, holder: file.lock_holder() }))
}

/// What [`peek`] sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// What the file holds.
    pub bytes: Vec<u8>,
    /// The process that holds it.
    pub holder: Option<u32>,
}

fn all(file: &dyn FsFile, limit: u64) -> io::Result<Vec<u8>> {
    let len = file.stat()?.len;
    let len = usize::try_from(len).ok().filter(|_| len <= limit);
    let mut bytes = vec![0; len.ok_or(io::ErrorKind::FileTooLarge)?];
    let read = read_full_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn temporary_of(path: &Path) -> PathBuf {
    beside(path, ".tmp")
}

/// A new file under a temporary name, locked and durable but for that name.
fn staged(
    fs: &dyn Fs,
    path: &Path,
    write: Write<'_>,
) -> Result<(Arc<dyn FsFile>, FileId), HeldError> {
    let temporary = temporary_of(path);
    named::sweep(fs, &temporary).map_err(|error| HeldError::lock(error, path))?;
    let file = stage_locked(fs, &temporary, true, write).map_err(HeldError::stage)?;
    let id = file.stat().map_err(HeldError::io("inspect", &temporary))?.id;
    Ok((file, id))
}

/// Gives a staged file its name. What fails leaves nothing.
fn place(fs: &dyn Fs, id: FileId, path: &Path, over: Overwrite) -> Result<(), HeldError> {
    let temporary = temporary_of(path);
    let placed = named::rename(fs, id, &temporary, path, over);
    if placed.is_err() {
        // The first error matters more; the next run sweeps what stays.
        let _ = named::remove(fs, id, &temporary);
    }
    placed.map_err(|error| match HeldError::taken(error, "move into place", path) {
        // There was none an instant ago.
        HeldError::Exists { path } => HeldError::Locked { path, holder: None },
        error => error,
    })
}

/// What can go wrong with a file that is held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeldError {
    /// Another process has it. Trying again helps when that has ended.
    #[error("{} is in use by another process{}", path.display(), by(*.holder))]
    Locked {
        /// The file.
        path: PathBuf,
        /// That process, if the system reports it.
        holder: Option<u32>,
    },
    /// The new name is taken.
    #[error("{} already exists", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The new name belongs to a link, a device, a FIFO, a socket or a directory.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The name.
        path: PathBuf,
    },
    /// Another program moved, replaced or removed the file. What has its name now was not touched.
    #[error("another program moved, replaced or removed {}", path.display())]
    Exchanged {
        /// The name.
        path: PathBuf,
    },
    /// It was not left by a run of this user. The user has to look at it ([`NotOurs::remedy`]).
    #[error("{} is not used: {why}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: NotOurs,
    },
    /// The system refused an operation.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Whether an error of a disk may pass without anybody changing anything, but for making space.
pub fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    let kinds = [K::Interrupted, K::ResourceBusy, K::StaleNetworkFileHandle, K::TimedOut];
    is_full(error) || kinds.contains(&error.kind())
}

impl HeldError {
    /// Whether the same call may succeed later, without anybody changing anything but for making space.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. } => true,
            Self::Io { source, .. } => may_pass(source),
            _ => false,
        }
    }

    /// The error of this operation on this file.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    fn name(what: &'static str, path: &Path) -> impl FnOnce(NameError) -> Self {
        move |error| match error {
            NameError::Exchanged(path) => Self::Exchanged { path },
            NameError::NotAFile(path) => Self::NotAFile { path },
            NameError::Io(source) => Self::io(what, path)(source),
        }
    }

    fn taken(error: NameError, what: &'static str, to: &Path) -> Self {
        match error {
            NameError::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::Exists { path: to.to_owned() }
            }
            error => Self::name(what, to)(error),
        }
    }

    fn lock(error: LockError, path: &Path) -> Self {
        match error {
            LockError::Held { holder } => Self::Locked { path: path.to_owned(), holder },
            LockError::NotOurs(why) => Self::NotOurs { path: path.to_owned(), why },
            LockError::Io(source) => Self::Io { what: "open", path: path.to_owned(), source },
        }
    }

    fn stage(error: StageError) -> Self {
        let ReplaceError { what, path, source } = error.into();
        Self::Io { what, path, source }
    }
}
