//! Reports about a list: its progress, and its failures as a list that can be used as input.
//!
//! Both read the list as it is now, item by item, and the ledger without its lock. They may be used during
//! a run, and show what was committed.

mod failures;
mod status;

use piton_checkpoint::ledger::LedgerError;

pub use failures::{Wanted, each_failure, write_failures};
pub use status::{Status, status};

use crate::format::ListError;

/// Why there is no report. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The ledger cannot be read; [`LedgerError::Missing`]: no item of the list was ever started.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The output cannot be written.
    #[error("cannot write the list of failures: {0}")]
    Write(std::io::Error),
}
