//! Atomic replacement of a file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::beside::beside;
use crate::fs::{Fs, FsFile, Open, Stat, parent_dir, write_all_at};
use crate::links;
use crate::named::{self, NameError, Overwrite};
use crate::part::PartError;

/// An operation that failed while a file was replaced.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct ReplaceError {
    /// The operation, as a verb.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl ReplaceError {
    pub(crate) fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { what, path: path.to_owned(), source }
    }
}

/// Why a new file was not written under its temporary name. Nothing of it is left, and nothing else has
/// changed.
#[derive(Debug)]
pub(crate) struct StageError {
    pub(crate) step: StageStep,
    path: PathBuf,
    pub(crate) source: io::Error,
}

/// A step on the way to a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StageStep {
    GetRandom,
    Create,
    Lock,
    ReadInput,
    Write,
    Sync,
    Inspect,
}

impl StageStep {
    fn verb(self) -> &'static str {
        match self {
            Self::GetRandom => "get random bits for",
            Self::Create => "create",
            Self::Lock => "lock",
            Self::ReadInput => "read the input for",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Inspect => "inspect",
        }
    }
}

impl StageError {
    pub(crate) fn of(step: StageStep, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { step, path: path.to_owned(), source }
    }
}

impl From<StageError> for ReplaceError {
    fn from(StageError { step, path, source }: StageError) -> Self {
        Self { what: step.verb(), path, source }
    }
}

/// Writes a file of these bytes at `path`, or where the link at `path` leads. Only a regular file is
/// replaced, never a device, a FIFO, a socket or a directory. The new file gets the mode of an existing one
/// and, if this process may set it, its owner; otherwise `mode` counts, before the umask.
///
/// After a crash at any instant either the old file or the new one is there, whole; once this has returned,
/// the new one, even after a power cut. A crash can leave a `.tmp-…` file behind.
///
/// # Errors
/// The old file is unchanged, unless only the sync of the directory failed.
pub fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8], mode: u32) -> Result<(), ReplaceError> {
    let path = &links::target(fs, path).map_err(|error| match error {
        PartError::Io { what, path, source } => ReplaceError { what, path, source },
        error => ReplaceError::of("replace", path)(io::Error::new(
            io::ErrorKind::InvalidInput,
            error.to_string(),
        )),
    })?;
    let old = fs.stat(path).map_err(ReplaceError::of("inspect", path))?;
    replace_by(fs, path, mode, old, &mut whole(bytes))
}

/// As [`replace`], with everything that `input` gives until its end, in bounded memory (G8); returns how many
/// bytes that were. A partial copy never gets the name `path`. The new file is ours, with `mode`,
/// whatever existed there: another user may have created that to read what comes.
///
/// # Errors
/// As [`replace`]; also when `input` fails.
pub fn replace_from(
    fs: &dyn Fs,
    path: &Path,
    input: &mut dyn Read,
    mode: u32,
) -> Result<u64, ReplaceError> {
    let mut len = 0;
    replace_by(fs, path, mode, None, &mut |temporary, file| {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let filled = match input.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(StageError::of(StageStep::ReadInput, path))?,
            };
            let Some(bytes) = buffer.get(..filled).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            write_all_at(file, bytes, len).map_err(StageError::of(StageStep::Write, temporary))?;
            len = len.saturating_add(filled as u64);
        }
    })?;
    Ok(len)
}

/// Writes the content of a new file. The path is for messages.
pub(crate) type Write<'a> = &'a mut dyn FnMut(&Path, &dyn FsFile) -> Result<(), StageError>;

/// The new file gets mode and owner of `old`, if that is given.
fn replace_by(
    fs: &dyn Fs,
    path: &Path,
    mode: u32,
    old: Option<Stat>,
    write: Write<'_>,
) -> Result<(), ReplaceError> {
    let random = fs.random().map_err(ReplaceError::of("get random bits for", path))?;
    let temporary = beside(path, &format!(".tmp-{random:016x}"));

    let existing = fs.stat(path).map_err(ReplaceError::of("inspect", path))?;
    if existing.is_some_and(|existing| !existing.is_file) {
        // The rename would fail too, but only after all of the new file is written.
        return Err(ReplaceError::of("replace", path)(NameError::NotAFile(path.to_owned()).into()));
    }
    let file = stage(fs, &temporary, old.map_or(mode, |_| 0o600), write)?;
    let new = file.stat().map_err(ReplaceError::of("inspect", &temporary))?;
    let settled = (|| {
        if let Some(old) = old {
            if new.owner != old.owner {
                // Only root may change owners; if it fails the new file is ours.
                let _ = file.set_owner(old.owner);
            }
            // After the owner: changing that clears the set-id bits.
            file.set_mode(old.mode).map_err(ReplaceError::of("set the mode of", &temporary))?;
        }
        file.sync_all().map_err(ReplaceError::of("sync", &temporary))?;
        named::put(fs, new.id, &temporary, path, Overwrite::AnyFile)
            .map_err(|error| ReplaceError::of("replace", path)(error.into()))
    })();
    if settled.is_err() {
        // The first error matters more; the name of a leftover shows what it is.
        let _ = named::remove(fs, new.id, &temporary);
    }
    settled?;
    fs.sync_dir(parent_dir(path)).map_err(ReplaceError::of("sync the directory of", path))
}

/// As [`stage`], a private file, locked and, if `durable`, synced.
pub(crate) fn stage_locked(
    fs: &dyn Fs,
    temporary: &Path,
    durable: bool,
    write: Write<'_>,
) -> Result<Arc<dyn FsFile>, StageError> {
    stage(fs, temporary, 0o600, &mut |temporary, file| {
        // First of all: without a lock it counts as a leftover. It stays locked under its later name.
        if !file.try_lock().map_err(StageError::of(StageStep::Lock, temporary))? {
            let held = io::ErrorKind::ResourceBusy.into();
            return Err(StageError::of(StageStep::Lock, temporary)(held));
        }
        write(temporary, file)?;
        match durable {
            true => file.sync_data().map_err(StageError::of(StageStep::Sync, temporary)),
            false => Ok(()),
        }
    })
}

/// The content of a new file that is these bytes.
pub(crate) fn whole(bytes: &[u8]) -> impl FnMut(&Path, &dyn FsFile) -> Result<(), StageError> {
    move |temporary, file| {
        write_all_at(file, bytes, 0).map_err(StageError::of(StageStep::Write, temporary))
    }
}

/// Writes a new file under a temporary name. After an error nothing is left.
pub(crate) fn stage(
    fs: &dyn Fs,
    temporary: &Path,
    mode: u32,
    write: Write<'_>,
) -> Result<Arc<dyn FsFile>, StageError> {
    let file = fs
        .open(temporary, Open::CreateNew { mode })
        .map_err(StageError::of(StageStep::Create, temporary))?;
    let written = write(temporary, &*file);
    if written.is_err()
        && let Ok(stat) = file.stat()
    {
        // The first error matters more; the name of a leftover shows what it is.
        let _ = named::remove(fs, stat.id, temporary);
    }
    written.map(|()| file)
}
