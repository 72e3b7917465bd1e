//! `piton resume`.

use std::path::PathBuf;

use clap::Args;

use super::FetchOptions;

/// Go on with all that is unfinished
///
/// The journals know the addresses, what was verified and what was asked for. Logins are never
/// written down: give them again.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct ResumeArgs {
    /// Unfinished files, or folders to look through
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
