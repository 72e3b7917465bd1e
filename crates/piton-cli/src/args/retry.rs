//! `piton retry`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use piton::checkpoint::ledger::ErrorClass;

use super::{FetchOptions, ListOptions};

/// Try the failed items of a list again
///
/// Tries only items that failed, permanently or not, and quarantined items. Files go into the same
/// folder as in the last run.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct RetryArgs {
    /// The list, as given to "piton get -i"
    #[arg(value_name = "LIST")]
    pub(crate) list: OsString,

    /// Only items with this class of failure: 404, 5xx, timeout, dns, ... (repeatable)
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub(crate) class: Vec<ErrorClass>,

    /// Write into this folder [default: the one of the last run]
    #[arg(short, long, value_name = "DIR", help_heading = "Files")]
    pub(crate) directory: Option<PathBuf>,

    /// Replace existing files that are not the wanted ones
    #[arg(long, help_heading = "Files")]
    pub(crate) overwrite: bool,

    #[command(flatten)]
    pub(crate) options: ListOptions,
    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton retry list.txt                           all failed items
  piton retry list.txt --class timeout,5xx       failures that may be temporary
  piton retry list.txt --class 403 --netrc";
