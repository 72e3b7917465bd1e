//! What errors of SQLite mean for a store.

use std::path::Path;

use piton_durable::held::HeldError;
use rusqlite::{ErrorCode, ffi};

use crate::store::StoreError;
use crate::store::error::place;

/// For `map_err`: the error of SQLite on the database at `path`.
pub(super) fn of_sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| {
        let (code, extended, why) = match &error {
            rusqlite::Error::SqliteFailure(code, why) => {
                let why = why.clone().unwrap_or_else(|| code.to_string());
                (code.code, code.extended_code, why)
            }
            // A wrong type, a missing row or a statement that does not fit: the tables are not ours any more.
            other => return StoreError::damage(path, other),
        };
        let place = place(path);
        match extended {
            ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS => {
                return StoreError::damage(path, why);
            }
            // Only if it lost its name.
            ffi::SQLITE_READONLY_DBMOVED => return StoreError::Fenced { place },
            ffi::SQLITE_IOERR_SHMOPEN
            | ffi::SQLITE_IOERR_SHMMAP
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMLOCK
            | ffi::SQLITE_IOERR_LOCK => {
                let why = format!(
                    "{why}; the file system may have no shared memory, like some network file systems"
                );
                return StoreError::Rejected { place, why };
            }
            _ => {}
        }
        match code {
            ErrorCode::DiskFull => StoreError::Full { place },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { place },
            ErrorCode::ReadOnly => StoreError::ReadOnly { place },
            // All statements are fixed, so SQLite rejects one only if the tables are not ours.
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::TypeMismatch
            | ErrorCode::Unknown => StoreError::damage(path, why),
            _ => StoreError::Rejected { place, why: format!("{why} (SQLite {extended})") },
        }
    }
}

/// An error of the file that a job locks: what was exchanged there is not the database.
pub(super) fn of_held<T>(result: Result<T, HeldError>, place: &str) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        HeldError::Io { source, .. } if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { place: place.to_owned() }
        }
        error => StoreError::File(error),
    })
}
