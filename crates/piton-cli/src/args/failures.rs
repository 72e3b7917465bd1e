//! `piton failures`.

use std::ffi::OsString;

use clap::Args;
use piton::checkpoint::ledger::ErrorClass;

use super::ListSource;

/// Print the failed items of a list, as a list, or the records of dead letters
///
/// The output can be given to "piton get -i". It includes interrupted and quarantined items, but not
/// items that were never started. --json adds the reasons. Reads the list and its state; changes nothing.
///
/// If LIST is a file of dead letters, which its content tells, prints the records that failed as they
/// were, one after the other; with --json the letters.
#[derive(Debug, Args)]
pub(crate) struct FailuresArgs {
    /// The list, as given to "piton get -i", or a file of dead letters
    #[arg(value_name = "LIST")]
    pub(crate) list: OsString,

    /// Only items with this class of failure: 404, 5xx, timeout, dns, ... (repeatable)
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub(crate) class: Vec<ErrorClass>,

    /// Print one JSON object per line, with all details
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) source: ListSource,
}
