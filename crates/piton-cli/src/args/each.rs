//! `piton each`.

use clap::Args;

use super::job::{FileOfRecords, JobOptions};

/// Run a command once for each record of a file, and resume exactly where it stopped
///
/// Each {} in the arguments of CMD becomes the record; without one it is the last argument. What CMD
/// writes counts if it exits with 0, and is in the output once, in the order of FILE. A record whose
/// result is saved never runs again, whatever stops piton. Run the same command again to continue.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct EachArgs {
    #[command(flatten)]
    pub(crate) what: FileOfRecords,

    #[command(flatten)]
    pub(crate) options: JobOptions,
}

const AFTER_LONG_HELP: &str = "\
CMD finds in its environment: PITON_CHUNK_ID (the same in every attempt, fit for an
Idempotency-Key), PITON_OFFSET, PITON_LENGTH, PITON_LINE and PITON_ATTEMPT.

Examples:
  piton each images.txt --jobs 4 -- convert {} -resize 50% small/{}
  piton each -0 names.bin -o sums.txt -- sha256sum
  piton each ids.txt -o answers.jsonl --rate 5 --dead-letter bad.jsonl -- ./ask --id {}";
