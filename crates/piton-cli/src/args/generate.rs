//! `piton completions` and `piton man`: for whoever packages the command.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Print the man page, or write a page per command
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder to write all pages into; without it, piton(1) is printed
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
