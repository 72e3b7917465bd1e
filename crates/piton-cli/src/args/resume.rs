//! `piton resume`.

use std::path::PathBuf;

use clap::Args;

use super::FetchOptions;

/// Resume unfinished downloads
///
/// URLs and digests come from the journals. Logins are never saved: give them again. For a job of
/// "piton lines" or "piton each", shows the command line that continues it, and runs nothing.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct ResumeArgs {
    /// Unfinished files, or folders to search
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton resume                        everything unfinished in this folder and below
  piton resume big.iso                one file, by its final name, its part or its journal
  piton resume --netrc -x 4 /data";
