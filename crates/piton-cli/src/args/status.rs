//! `piton status`.

use std::path::PathBuf;

use clap::Args;

/// Show what is unfinished
///
/// For each: how far, since when, whether a process is at it, what a resume would fetch, and from
/// where. Reads the journals and touches nothing.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Unfinished files, or folders to look through
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// One JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}
