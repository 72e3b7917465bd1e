//! Whether a ledger is ours, with all that SQLite and the recorder keep beside it.

use std::path::{Path, PathBuf};

use piton_durable::fs::{Fs, OsFs};
use piton_durable::own::{self, NotOurs};

use super::error::LedgerError;
use super::flight;
use super::schema::beside;

/// The files of the ledger at `path`. SQLite takes up a `-journal` as well where it finds one, and writes
/// what that says into the database; the ledger itself never has one.
fn files(path: &Path) -> [PathBuf; 5] {
    [
        path.to_owned(),
        beside(path, "-wal"),
        beside(path, "-shm"),
        beside(path, "-journal"),
        flight::path_of(path),
    ]
}

/// Whether the files of the ledger at `path`, as far as they are there, are what runs of this user left.
pub(super) fn check(path: &Path) -> Result<(), LedgerError> {
    files(path)
        .iter()
        .try_for_each(|file| own::check(&OsFs, file).map_err(LedgerError::own("look at", file)))
}

/// The same for files that are to be removed: those that others may write to can be.
pub(super) fn check_removable(path: &Path) -> Result<(), LedgerError> {
    match check(path) {
        Err(LedgerError::NotOurs { why, .. }) if why.may_be_moved() => Ok(()),
        result => result,
    }
}

/// A link to a ledger says where it is, if this user made it.
pub(super) fn check_link(path: &Path) -> Result<(), LedgerError> {
    let there = OsFs.lstat(path).map_err(LedgerError::io("look at", path))?;
    let (user, owner) = (OsFs.user(), there.map(|there| there.owner.user));
    match (there, owner) {
        (Some(there), Some(owner)) if !there.is_file && !there.is_dir && owner != user => {
            let why = NotOurs::OtherOwner { owner, user };
            Err(LedgerError::NotOurs { path: path.to_owned(), why })
        }
        _ => Ok(()),
    }
}
