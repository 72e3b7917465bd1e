//! Why a run could not continue.

use std::io;

use piton_checkpoint::ledger::LedgerError;
use piton_fetch::Failure;

use crate::format::{BadLine, ListError};
use crate::name::FolderError;

/// Why a run could not go on. Whatever it is, what the ledger had acknowledged stands, and the same
/// run again continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The list cannot be read, or not to its end. What came before that was gone through.
    #[error(transparent)]
    List(#[from] ListError),
    /// A line of the list is wrong, and [`super::Options::strict`] was asked for. Nothing was begun.
    #[error("{first}{}; nothing was downloaded", more(*lines))]
    Strict {
        /// The first wrong line.
        first: BadLine,
        /// How many there are.
        lines: u64,
    },
    /// The ledger cannot be read or written, such as on a full disk. Files that were finished and whose
    /// outcome could not be recorded are recognised by the next run.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The target folder cannot be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system gives this process no thread: its limit is reached. Nothing was begun, or all that was is
    /// saved.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The disk takes nothing more; no other item would fare better.
    #[error(transparent)]
    Disk(Failure),
}

fn more(lines: u64) -> String {
    if lines > 1 { format!(" (and {} more invalid lines)", lines - 1) } else { String::new() }
}
