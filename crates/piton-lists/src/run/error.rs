//! Why a run could not continue.

use std::io;

use piton_checkpoint::ledger::LedgerError;
use piton_fetch::Failure;

use crate::format::{BadLine, ListError};
use crate::name::FolderError;

/// Why a run could not continue. In any case, everything that the ledger has acknowledged is kept, and the
/// same run again continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The list cannot be read, or not to its end. Everything before that was processed.
    #[error(transparent)]
    List(#[from] ListError),
    /// A line of the list is invalid, and [`super::Options::strict`] is set. Nothing was started.
    #[error("{first}{}; nothing was downloaded", more(*lines))]
    Strict {
        /// The first invalid line.
        first: BadLine,
        /// The number of invalid lines.
        lines: u64,
    },
    /// The ledger cannot be read or written, for instance on a full disk. The next run recognises files
    /// that were finished but whose outcome could not be recorded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The target folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system cannot create a thread: a limit is reached. Nothing was started, or everything started is
    /// saved.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The disk is full; no other item would fare better.
    #[error(transparent)]
    Disk(Failure),
}

fn more(lines: u64) -> String {
    if lines > 1 { format!(" (and {} more invalid lines)", lines - 1) } else { String::new() }
}
