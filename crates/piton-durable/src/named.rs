//! A name is checked before it is renamed or removed.
//!
//! A lock belongs to a file and not to its name (see [`crate::lock`]): while we hold a file, another
//! program can remove its name and make another file of that name. Renaming or removing by name would
//! then publish or lose the bytes of another program (G1, G5). So every rename and every removal of
//! this crate is done here: just before, it checks which file has the name.
//!
//! The kernel has no rename by descriptor, so an instant remains between the check and the rename. A second
//! check, of the new name, finds what happened in it; that is never reported as a success.
//!
//! The caller holds the file open. So no other file can have its inode number.

use std::io;
use std::path::{Path, PathBuf};

use crate::beside::beside;
use crate::fs::{Existing, FileId, Fs, Open};
use crate::lock::LockError;
use crate::own;

/// With this many files set aside, the user has to look at them.
const ASIDES: u32 = 1000;

/// Why a name was not changed.
#[derive(Debug)]
pub(crate) enum NameError {
    /// Another file has the name, or none.
    Exchanged(PathBuf),
    /// The file to be replaced is a link, a device, a FIFO, a socket or a directory.
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
pub(crate) enum Overwrite {
    /// Nothing. What is there stays, and the error is `AlreadyExists`.
    Nothing,
    /// This file, which is held open too.
    Ours(FileId),
    /// Any regular file, or nothing.
    AnyFile,
}

impl From<Existing> for Overwrite {
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

/// Renames the file from `from` to `to`, and checks that it has the name `to` then.
pub(crate) fn rename(
    fs: &dyn Fs,
    file: FileId,
    from: &Path,
    to: &Path,
    over: Overwrite,
) -> Result<(), NameError> {
    put(fs, file, from, to, over)?;
    check(fs, file, to)
}

/// As [`rename`] without the second check, for a name `from` that no other process uses: a random
/// one, or one that only its owner removes. And for a name `to` that several may replace in quick succession:
/// a later file there is no failure of the earlier one.
pub(crate) fn put(
    fs: &dyn Fs,
    file: FileId,
    from: &Path,
    to: &Path,
    over: Overwrite,
) -> Result<(), NameError> {
    let existing = match over {
        Overwrite::Nothing => Existing::Keep,
        Overwrite::Ours(_) | Overwrite::AnyFile => Existing::Replace,
    };
    match over {
        Overwrite::Ours(other) => check(fs, other, to)?,
        // A link counts as its target: one to a device may belong to the system, as /dev/stdout does.
        Overwrite::Nothing => {
            if fs.stat(to)?.is_some_and(|there| !there.is_file) {
                return Err(NameError::NotAFile(to.to_owned()));
            }
        }
        // A link to a file is not replaced either. Those that existed before were followed: `crate::links`.
        Overwrite::AnyFile => {
            if fs.lstat(to)?.is_some_and(|there| !there.is_file) {
                return Err(NameError::NotAFile(to.to_owned()));
            }
        }
    }
    check(fs, file, from)?;
    Ok(fs.rename(from, to, existing)?)
}

/// Gives the file at `from` the first free name `OF.aside-N`, never over another; returns that name.
pub(crate) fn move_aside(
    fs: &dyn Fs,
    file: FileId,
    from: &Path,
    of: &Path,
) -> Result<PathBuf, NameError> {
    for number in 1..=ASIDES {
        let aside = beside(of, &format!(".aside-{number}"));
        match rename(fs, file, from, &aside, Overwrite::Nothing) {
            Ok(()) => return Ok(aside),
            Err(NameError::NotAFile(_)) => {}
            Err(NameError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(NameError::Io(io::ErrorKind::AlreadyExists.into()))
}

/// Removes the name of the file. Succeeds if nothing has it any more.
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

/// Removes the temporary file that a crash left at `path`. A process that still uses one holds its
/// lock. Anything but a regular file is no temporary file, and stays; so does one of another user.
///
/// # Errors
/// [`LockError::Held`]: it is in use. [`LockError::NotOurs`]: it is not ours.
pub(crate) fn sweep(fs: &dyn Fs, path: &Path) -> Result<(), LockError> {
    if !fs.lstat(path)?.is_some_and(|there| there.is_file) {
        return Ok(());
    }
    let file = match own::lock_movable(fs, path, Open::ReadWrite) {
        Err(LockError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Whatever it contains, and whoever can write to it: it is removed.
        result => result?.0,
    };
    match remove(fs, file.stat()?.id, path) {
        Err(NameError::Io(error)) => Err(error.into()),
        // Nobody else removes it while it is locked; if somebody did, nothing is left to do.
        Err(NameError::Exchanged(_) | NameError::NotAFile(_)) | Ok(()) => Ok(()),
    }
}
