//! A name is checked before it is renamed or removed.
//!
//! A lock belongs to a file and not to its name (see [`crate::lock`]): while we hold a file, another
//! program can remove its name and make another file of that name. Renaming or removing by name would
//! then put somebody else's bytes in place, or lose them (G1, G5). So every rename and every removal of
//! this crate goes through here: it asks which file has the name just before.
//!
//! The kernel has no rename by descriptor, so between the look and the rename an instant is left. What
//! happens in it is found by a second look, at the new name, and is never called a success.
//!
//! Whoever calls holds the file open. So its inode number cannot be another file's.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::{Existing, FileId, Fs, Open};
use crate::lock::LockError;
use crate::own;

/// Why a name was left alone.
#[derive(Debug)]
pub(crate) enum NameError {
    /// Another file has the name, or none.
    Exchanged(PathBuf),
    /// What would be replaced is a link, a device, a FIFO, a socket or a directory.
    NotAFile(PathBuf),
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for NameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<NameError> for io::Error {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Io(error) => error,
            NameError::Exchanged(path) => Self::other(format!(
                "another program moved, replaced or removed {}",
                path.display()
            )),
            NameError::NotAFile(_) => {
                Self::new(io::ErrorKind::InvalidInput, "it is not a regular file")
            }
        }
    }
}

/// What may have the new name before a rename.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Over {
    /// Nothing. What is there stays, and the error is `AlreadyExists`.
    Nothing,
    /// This file, which is held too.
    Ours(FileId),
    /// Any regular file, or nothing.
    AnyFile,
}

impl From<Existing> for Over {
    fn from(existing: Existing) -> Self {
        match existing {
            Existing::Replace => Self::AnyFile,
            Existing::Keep => Self::Nothing,
        }
    }
}

/// Whether the file has the name.
pub(crate) fn check(fs: &dyn Fs, file: FileId, path: &Path) -> Result<(), NameError> {
    match fs.lstat(path)? {
        Some(there) if there.id == file => Ok(()),
        _ => Err(NameError::Exchanged(path.to_owned())),
    }
}

/// Gives the file, whose name is `from`, the name `to`, and looks whether it has that then.
pub(crate) fn rename(
    fs: &dyn Fs,
    file: FileId,
    from: &Path,
    to: &Path,
    over: Over,
) -> Result<(), NameError> {
    put(fs, file, from, to, over)?;
    check(fs, file, to)
}

/// As [`rename`] without the second look, for a file whose name `from` is nobody else's business: a random
/// one, or one that only its owner removes. And for a name `to` that several may replace, one right after
/// the other: a later file there is no failure of the earlier one.
pub(crate) fn put(
    fs: &dyn Fs,
    file: FileId,
    from: &Path,
    to: &Path,
    over: Over,
) -> Result<(), NameError> {
    let existing = match over {
        Over::Nothing => Existing::Keep,
        Over::Ours(_) | Over::AnyFile => Existing::Replace,
    };
    match over {
        Over::Ours(other) => check(fs, other, to)?,
        // A link is what it leads to: one to a device may be the system's own, as /dev/stdout is.
        Over::Nothing => {
            if fs.stat(to)?.is_some_and(|there| !there.is_file) {
                return Err(NameError::NotAFile(to.to_owned()));
            }
        }
        // Nor is one to a file replaced. Those that were here before were followed: `crate::links`.
        Over::AnyFile => {
            if fs.lstat(to)?.is_some_and(|there| !there.is_file) {
                return Err(NameError::NotAFile(to.to_owned()));
            }
        }
    }
    check(fs, file, from)?;
    Ok(fs.rename(from, to, existing)?)
}

/// Removes the name of the file. Fine if nothing has it any more.
pub(crate) fn remove(fs: &dyn Fs, file: FileId, path: &Path) -> Result<(), NameError> {
    match fs.lstat(path)? {
        None => return Ok(()),
        Some(there) if there.id == file => {}
        Some(_) => return Err(NameError::Exchanged(path.to_owned())),
    }
    match fs.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => Ok(result?),
    }
}

/// Removes the temporary file that a crash left at `path`. Whoever is still at work with one holds its
/// lock. What is not a file is nobody's temporary file, and stays; so does one of another user.
///
/// # Errors
/// [`LockError::Held`]: it is not a leftover. [`LockError::NotOurs`]: nor is it ours.
pub(crate) fn sweep(fs: &dyn Fs, path: &Path) -> Result<(), LockError> {
    if !fs.lstat(path)?.is_some_and(|there| there.is_file) {
        return Ok(());
    }
    let file = match own::lock_movable(fs, path, Open::ReadWrite) {
        Err(LockError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Whatever it holds, and whoever can write to it: it goes.
        result => result?.0,
    };
    match remove(fs, file.stat()?.id, path) {
        Err(NameError::Io(error)) => Err(error.into()),
        // Nobody else removes it while it is locked; if somebody did, nothing is left to sweep.
        Err(NameError::Exchanged(_) | NameError::NotAFile(_)) | Ok(()) => Ok(()),
    }
}
