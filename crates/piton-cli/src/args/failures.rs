//! `piton failures`.

use std::ffi::OsString;

use clap::Args;
use piton::checkpoint::ledger::ErrorClass;

use super::ListSource;

/// Print the items of a list that are not done and why
///
/// As a list: it can be given to "piton get -i". Comments above the items say what happened. Reads
/// the list and its state and touches nothing.
#[derive(Debug, Args)]
pub(crate) struct FailuresArgs {
    /// The list, as it was given to "piton get -i"
    #[arg(value_name = "LIST")]
    pub(crate) list: OsString,

    /// Only those that failed like this: 404, 5xx, timeout, dns, ... (repeatable)
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub(crate) class: Vec<ErrorClass>,

    /// One JSON object per line, with all that is known
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) source: ListSource,
}
