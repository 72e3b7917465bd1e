//! `piton show`.

use std::path::PathBuf;

use clap::Args;

/// Show the journal of a download or a job, record by record
///
/// Only reads. A torn journal is shown up to the tear.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The journal, NAME.piton or NAME.piton-job
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
