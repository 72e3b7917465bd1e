//! `piton completions` and `piton man`: for packagers.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print shell completions
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Print the man page, or write a page per command
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder to write all pages into [default: print piton(1)]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
