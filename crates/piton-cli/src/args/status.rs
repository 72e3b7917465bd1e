//! `piton status`.

use std::path::PathBuf;

use clap::Args;

use super::ListSource;

/// Show unfinished downloads and jobs, or the progress of a list
///
/// For each file: its progress, when it started, which process is fetching it, what a resume would
/// fetch, and its URL. For a list: its items by state, rate and time left, failures by class, and the
/// hosts with the most failures. For a job of "piton lines" or "piton each": what it has read, and
/// whether it runs; --state PLACE if its state is elsewhere. Changes nothing.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Unfinished files, folders to search, lists given to "piton get -i", or outputs of jobs
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) source: ListSource,
}
