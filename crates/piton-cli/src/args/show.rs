//! `piton show`.

use std::path::PathBuf;

use clap::Args;

/// Show a journal, record by record
///
/// Reads and touches nothing; a torn journal is shown up to where it is torn.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The journal, NAME.piton
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,

    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
