//! `piton retry`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use piton::checkpoint::ledger::ErrorClass;

use super::job::{Byte, JobOptions, ResultOptions, SourceOptions, WorkOptions};
use super::value::{Frequency, Span};
use super::{FetchOptions, ListOptions};

/// Try the failed items of a list, or the dead letters of a job, again
///
/// Tries only items that failed, permanently or not, and quarantined items. Files go into the same
/// folder as in the last run.
///
/// With CMD, the file holds dead letters, which "piton lines" and "piton each" write with --dead-letter.
/// CMD gets what failed on its standard input, or in place of {} if it was a single record. That is a job
/// of its own: run the same command again to continue it.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct RetryArgs {
    /// The list, as given to "piton get -i"; with CMD, the file of dead letters
    #[arg(value_name = "LIST")]
    pub(crate) list: OsString,

    /// The command and its arguments
    #[arg(value_name = "CMD", last = true)]
    pub(crate) command: Vec<OsString>,

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
    pub(crate) letters: LetterOptions,
    #[command(flatten)]
    pub(crate) options: ListOptions,
    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

/// How dead letters are processed. --jobs, --retries, --max-failures, --state, --quiet and --json are those of lists.
#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Dead letters (with CMD)")]
pub(crate) struct LetterOptions {
    /// Write the results to this file; until the job is done they are in FILE.part [default: stdout]
    #[arg(short, long, value_name = "FILE", conflicts_with = "append")]
    pub(crate) output: Option<PathBuf>,

    /// Append the results to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) append: Option<PathBuf>,

    /// Write what fails again to this file, with the error, and continue [default: stop]
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letter: Option<PathBuf>,

    /// Write results as they are finished, not in the order of the letters
    #[arg(long, hide_short_help = true)]
    pub(crate) unordered: bool,

    /// End a command that runs longer than this, with its children
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(crate) timeout: Option<Span>,

    /// Start at most N commands per second (0.5: one every two seconds)
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) rate: Option<Frequency>,

    /// Exit codes that say that trying again may help, besides 75
    #[arg(long, value_name = "CODES", value_delimiter = ',', hide_short_help = true)]
    pub(crate) retry_on: Vec<i32>,

    /// The records of the letters end with a NUL byte
    #[arg(short = '0', long, conflicts_with = "delimiter", hide_short_help = true)]
    pub(crate) null: bool,

    /// The records of the letters end with this character
    #[arg(long, value_name = "CHAR", hide_short_help = true)]
    pub(crate) delimiter: Option<Byte>,

    /// Also process letters that were appended since the job began
    #[arg(long, hide_short_help = true)]
    pub(crate) accept_append: bool,

    /// Start over: move the saved state and the unfinished output aside
    #[arg(long, hide_short_help = true)]
    pub(crate) restart: bool,

    /// Continue a job that was started with another CMD
    #[arg(long, hide_short_help = true)]
    pub(crate) accept_command: bool,
}

impl LetterOptions {
    /// As a job has them, with those that lists have too.
    pub(crate) fn job(self, list: &ListOptions, fetch: &FetchOptions) -> JobOptions {
        let source = SourceOptions {
            null: self.null,
            delimiter: self.delimiter,
            csv: false,
            separator: None,
            header: false,
            max_record: None,
            accept_append: self.accept_append,
            rebase: false,
            verify_source: None,
            restart: self.restart,
            compression: None,
            max_window: None,
            adopt: None,
            adopt_as: None,
        };
        let state = list.source.state.as_ref().map(|state| state.to_string_lossy().into_owned());
        let results = ResultOptions {
            output: self.output,
            append: self.append,
            commit_at_end: false,
            state,
            checkpoint_every: None,
        };
        let work = WorkOptions {
            jobs: list.flow.jobs,
            unordered: self.unordered,
            dead_letter: self.dead_letter,
            max_failures: list.run.max_failures,
            retries: fetch.transfer.retries(),
            retry_on: self.retry_on,
            timeout: self.timeout,
            rate: self.rate,
            spool_limit: None,
            accept_command: self.accept_command,
        };
        JobOptions { source, results, work, screen: fetch.output }
    }
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton retry list.txt                           all failed items
  piton retry list.txt --class timeout,5xx       failures that may be temporary
  piton retry list.txt --class 403 --netrc
  piton retry bad.jsonl -o more.txt --dead-letter worse.jsonl -- ./ask --id {}
                                                 dead letters of a job";
