//! `piton status`.

use std::path::PathBuf;

use clap::Args;

use super::ListSource;

/// Show what is unfinished, or how far a list is
///
/// For each file: how far, since when, whether a process is at it, what a resume would fetch, and
/// from where. For a list: its items by state, rate and time left, failures by class, the worst
/// hosts. Touches nothing.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Unfinished files, folders to look through, or lists that "piton get -i" was given
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// One JSON object per line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) source: ListSource,
}
