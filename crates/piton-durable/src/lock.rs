//! One owner for each file (G5).
//!
//! The lock is an `flock`: the system drops it when its process dies, so there is no stale lock.
//! It belongs to the file and not to the name: if the file is renamed or replaced in between, the lock is
//! that of another file. So after locking, the name is checked again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::fs::{Fs, FsFile, Open};

/// A try fails only if another process replaced the file in the same instant.
const TRIES: u32 = 32;

/// Why a file could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process (or another handle of this one) holds it.
    #[error("locked by another process")]
    Held {
        /// The process that holds it, if the system reports it.
        holder: Option<u32>,
    },
    /// It is not what an earlier run of this user left. Only [`crate::own`] reports this.
    #[error("{0}")]
    NotOurs(crate::own::NotOurs),
    /// The system refused to open or lock it.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Who holds a lock, for the end of a message.
pub(crate) fn by(holder: Option<u32>) -> String {
    holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// Opens and locks the file that is at `path`. The lock lasts until the file is dropped, or until
/// the process dies.
///
/// # Errors
/// [`LockError::Held`] at once, without waiting; `ResourceBusy` if the file at `path` kept being
/// replaced.
pub fn lock(fs: &dyn Fs, path: &Path, how: Open) -> Result<Arc<dyn FsFile>, LockError> {
    for _ in 0..TRIES {
        let file = fs.open(path, how)?;
        if !file.try_lock()? {
            return Err(LockError::Held { holder: file.lock_holder() });
        }
        let locked = file.stat()?.id;
        if fs.lstat(path)?.is_some_and(|there| there.id == locked) {
            return Ok(file);
        }
    }
    Err(io::Error::from(io::ErrorKind::ResourceBusy).into())
}
