//! `piton retry`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use piton::checkpoint::ledger::ErrorClass;

use super::{FetchOptions, ListOptions};

/// Try the failed items of a list again
///
/// Those that failed, for good or not, and those that are quarantined; nothing else. Files go where
/// the first run put them.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct RetryArgs {
    /// The list, as it was given to "piton get -i"
    #[arg(value_name = "LIST")]
    pub(crate) list: OsString,

    /// Only those that failed like this: 404, 5xx, timeout, dns, ... (repeatable)
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub(crate) class: Vec<ErrorClass>,

    /// Write into this folder [default: that of the last run]
    #[arg(short, long, value_name = "DIR", help_heading = "Files")]
    pub(crate) directory: Option<PathBuf>,

    /// Replace files that stand there and are not the ones wanted
    #[arg(long, help_heading = "Files")]
    pub(crate) overwrite: bool,

    #[command(flatten)]
    pub(crate) options: ListOptions,
    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton retry list.txt                           all that failed
  piton retry list.txt --class timeout,5xx       what a better day may mend
  piton retry list.txt --class 403 --netrc";
