//! Whether a ledger is ours, with all files that SQLite and the recorder keep beside it.

use std::path::{Path, PathBuf};

use piton_durable::fs::{Fs, OsFs, with_suffix};
use piton_durable::own::{self, NotOurs};

use super::error::LedgerError;
use super::flight;

/// The files of the ledger at `path`.
fn files(path: &Path) -> [PathBuf; 4] {
    [path.to_owned(), with_suffix(path, "-wal"), with_suffix(path, "-shm"), flight::path_of(path)]
}

/// Whether the files of the ledger at `path`, as far as they are there, are what runs of this user left.
pub(super) fn check(path: &Path) -> Result<(), LedgerError> {
    files(path).iter().try_for_each(|file| check_one(file))?;
    refuse_journal(path)
}

/// The same for files that are to be removed: those that others may write to can be.
pub(super) fn check_removable(path: &Path) -> Result<(), LedgerError> {
    files(path).iter().try_for_each(|file| check_sweepable(file))?;
    refuse_journal(path)
}

/// The same for one file.
pub(super) fn check_sweepable(path: &Path) -> Result<(), LedgerError> {
    match check_one(path) {
        Err(LedgerError::NotOurs { why, .. }) if why.may_be_moved() => Ok(()),
        result => result,
    }
}

fn check_one(path: &Path) -> Result<(), LedgerError> {
    own::check(&OsFs, path).map_err(LedgerError::own("inspect", path))
}

/// A ledger is in WAL mode from its first byte and never has a rollback journal. SQLite plays one back before it
/// reads the database, even one of another user or another database: it writes the content of the journal
/// into the ledger, and removes a file that is named at its end.
fn refuse_journal(path: &Path) -> Result<(), LedgerError> {
    let journal = with_suffix(path, "-journal");
    check_one(&journal)?;
    match OsFs.lstat(&journal).map_err(LedgerError::io("inspect", &journal))? {
        Some(_) => Err(LedgerError::StrayJournal { path: journal }),
        None => Ok(()),
    }
}

/// A link to a ledger says where it is, if this user made it.
pub(super) fn check_link(path: &Path) -> Result<(), LedgerError> {
    let there = OsFs.lstat(path).map_err(LedgerError::io("inspect", path))?;
    let (user, owner) = (OsFs.user(), there.map(|there| there.owner.user));
    match (there, owner) {
        (Some(there), Some(owner)) if !there.is_file && !there.is_dir && owner != user => {
            let why = NotOurs::OtherOwner { owner, user };
            Err(LedgerError::NotOurs { path: path.to_owned(), why })
        }
        _ => Ok(()),
    }
}
