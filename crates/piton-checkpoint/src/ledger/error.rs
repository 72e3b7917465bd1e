//! What can go wrong with a ledger.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::lock::LockError;
use piton_durable::own::{NotOurs, OwnError};
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::Class;

use super::outcome::cut_detail;

/// What could not be done with a ledger. None of these loses an outcome that was acknowledged before.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process holds the ledger (G5). Trying again helps when that has ended.
    #[error("{} is in use by another process{}", path.display(), pid(*.holder))]
    Locked {
        /// The ledger.
        path: PathBuf,
        /// The process that holds it, if the system reports it.
        holder: Option<u32>,
    },
    /// There is no ledger and none was to be created.
    #[error("there is no ledger at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A database of another program. It is left alone; the user has to choose another path.
    #[error("{} is a database, but not a piton ledger; it was left unchanged", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The ledger, or a file that belongs to it, was not left by a run of this user. It is neither
    /// used nor touched. The user has to look at it ([`NotOurs::remedy`]).
    #[error("refusing to use {}: {why}", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: NotOurs,
    },
    /// There is a rollback journal of SQLite beside the ledger. Ledgers have none, so piton did not create it, and
    /// it is not played back. The user has to move it away.
    #[error("refusing to use {}: a ledger never has this kind of SQLite journal", path.display())]
    StrayJournal {
        /// The journal.
        path: PathBuf,
    },
    /// A ledger of a newer format: this program must not touch it; a newer one can continue.
    #[error("{} was written by a newer version of piton (ledger format {found})", path.display())]
    NewerFormat {
        /// The ledger.
        path: PathBuf,
        /// Its format version.
        found: i64,
    },
    /// The file cannot be a ledger as piton writes it. It is left alone, and no new one is created in its
    /// place.
    #[error(
        "{} is damaged: {why}; restore it from a copy, or move it away (with its -wal file) to start a \
         new one",
        path.display()
    )]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// What shows it.
        why: String,
    },
    /// The disk is full. What was committed stays; trying again helps when there is space.
    #[error("no space left on the disk of {}", path.display())]
    Full {
        /// The ledger.
        path: PathBuf,
    },
    /// A sync failed. What was acknowledged stays; this ledger accepts nothing more (G7). Opening it
    /// again starts from what is on the disk.
    #[error("cannot sync {}: {why}", path.display())]
    Sync {
        /// The ledger.
        path: PathBuf,
        /// The error of the system.
        why: String,
    },
    /// The file system does not support the shared memory that processes need to use one ledger.
    #[error(
        "the file system of {} does not support shared memory ({why}), like some network file \
         systems; put the ledger on a local disk",
        path.display()
    )]
    NoSharedMemory {
        /// The ledger.
        path: PathBuf,
        /// The error of SQLite.
        why: String,
    },
    /// Another process blocked the ledger for too long.
    #[error("{} is kept busy by another process", path.display())]
    Busy {
        /// The ledger.
        path: PathBuf,
    },
    /// The handle was closed, or its thread has ended.
    #[error("the ledger {} is closed", path.display())]
    Closed {
        /// The ledger.
        path: PathBuf,
    },
    /// The operating system refused an operation outside SQLite.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// SQLite refused for another reason, such as an error of the disk. A group that failed in this
    /// way is undone as a whole, and the next one may be tried.
    #[error("cannot use {}: {why} (SQLite {code})", path.display())]
    Sqlite {
        /// The ledger.
        path: PathBuf,
        /// Its extended result code.
        code: i32,
        /// The error of SQLite.
        why: String,
    },
}

impl LedgerError {
    /// Whether the same call may succeed later.
    pub fn class(&self) -> Class {
        match self {
            Self::Locked { .. } | Self::Full { .. } | Self::Busy { .. } | Self::Sqlite { .. } => {
                Class::Transient
            }
            _ => Class::Fatal,
        }
    }

    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Self::Full { path: path.to_owned() },
            _ => Self::Io { what, path: path.to_owned(), source: Arc::new(source) },
        }
    }

    pub(super) fn own(what: &'static str, path: &Path) -> impl FnOnce(OwnError) -> Self {
        move |error| match error {
            OwnError::NotOurs(why) => Self::NotOurs { path: path.to_owned(), why },
            OwnError::Io(source) => Self::io(what, path)(source),
            other => Self::io(what, path)(io::Error::other(other)),
        }
    }

    pub(super) fn lock(error: LockError, file: &Path, ledger: &Path) -> Self {
        match error {
            LockError::Held { holder } => Self::Locked { path: ledger.to_owned(), holder },
            LockError::NotOurs(why) => Self::NotOurs { path: file.to_owned(), why },
            LockError::Io(source) => Self::io("lock", file)(source),
            other => Self::io("lock", file)(io::Error::other(other)),
        }
    }
}

fn pid(holder: Option<u32>) -> String {
    holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// An error of SQLite or of the content, before the path of the ledger is added.
#[derive(Debug)]
pub(super) enum StoreError {
    Sql(rusqlite::Error),
    /// The content makes no sense.
    Damaged(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl StoreError {
    pub(super) fn at(path: &Path) -> impl Fn(Self) -> LedgerError {
        move |fault| match fault {
            Self::Damaged(why) => LedgerError::Damaged { path: path.to_owned(), why },
            Self::Sql(error) => of_sqlite(path.to_owned(), &error),
        }
    }
}

fn of_sqlite(path: PathBuf, error: &rusqlite::Error) -> LedgerError {
    let (code, extended, why) = match error {
        rusqlite::Error::SqliteFailure(code, why) => {
            let why = why.as_deref().map(|why| cut_detail(why).to_owned());
            (code.code, code.extended_code, why.unwrap_or_else(|| code.to_string()))
        }
        // A wrong type, a missing row or a statement that does not fit: the tables are not those of a ledger.
        other => return LedgerError::Damaged { path, why: other.to_string() },
    };
    match extended {
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => {
            return LedgerError::Sync { path, why };
        }
        ffi::SQLITE_IOERR_SHMOPEN
        | ffi::SQLITE_IOERR_SHMMAP
        | ffi::SQLITE_IOERR_SHMSIZE
        | ffi::SQLITE_IOERR_SHMLOCK
        | ffi::SQLITE_IOERR_LOCK => return LedgerError::NoSharedMemory { path, why },
        ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS => {
            return LedgerError::Damaged { path, why };
        }
        _ => {}
    }
    match code {
        ErrorCode::DiskFull => LedgerError::Full { path },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => LedgerError::Busy { path },
        ErrorCode::FileLockingProtocolFailed => LedgerError::NoSharedMemory { path, why },
        // All statements are fixed, so SQLite rejects one only if the tables are not those of a ledger.
        ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::Unknown => LedgerError::Damaged { path, why },
        _ => LedgerError::Sqlite { path, code: extended, why },
    }
}
