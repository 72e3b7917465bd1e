//! What became of a list: how it stands, and its failures as a list that can be fed back.
//!
//! Both look at the list as it is now, item by item, and at the ledger without its lock: they may be
//! asked while a run is going on, and show what was committed.

mod failures;
mod status;

use piton_checkpoint::ledger::LedgerError;

pub use failures::{Wanted, each_failure, write_failures};
pub use status::{Status, status};

use crate::format::ListError;

/// Why there is no report. Nothing was touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// The ledger cannot be read; [`LedgerError::Missing`]: nothing of the list was ever begun.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What was to be written cannot be.
    #[error("cannot write the list of failures: {0}")]
    Write(std::io::Error),
}
