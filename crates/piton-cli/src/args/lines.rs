//! `piton lines`.

use clap::Args;

use super::job::{FileOfRecords, JobOptions};
use super::value::Bytes;

/// Process a file of records with a command, and resume exactly where it stopped
///
/// Cuts FILE into chunks of whole records. A fresh CMD gets each chunk on its standard input; what it
/// writes counts if it exits with 0, and is in the output once, in the order of FILE, whatever stops
/// piton. Run the same command again to continue.
///
/// Without CMD, prints the records that were not printed before, as logtail does.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct LinesArgs {
    #[command(flatten)]
    pub(crate) what: FileOfRecords,

    /// Size of a chunk: it ends with the first record that fills it [default: 1MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Command")]
    pub(crate) chunk: Option<Bytes>,

    /// Find the records of a failed chunk that make it fail; for a CMD that treats each record alone
    #[arg(long, help_heading = "Command", hide_short_help = true)]
    pub(crate) split_failed: bool,

    #[command(flatten)]
    pub(crate) options: JobOptions,
}

const AFTER_LONG_HELP: &str = "\
CMD finds in its environment: PITON_CHUNK_ID (the same in every attempt, fit for an
Idempotency-Key), PITON_OFFSET, PITON_LENGTH, PITON_LINE, PITON_RECORDS and PITON_ATTEMPT.

Examples:
  piton lines big.log -o errors.txt -- grep ERROR
  piton lines orders.csv --csv --header -o out.csv --jobs 4 -- ./enrich.py
  piton lines big.log.gz --append all.jsonl --dead-letter bad.jsonl -- ./parse
  piton lines /var/log/syslog | mail -s new root       print what is new since the last time";
