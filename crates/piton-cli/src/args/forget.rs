//! `piton forget`.

use std::path::PathBuf;

use clap::Args;

/// Give up unfinished downloads, removing part and journal
///
/// A file under its final name is never touched. Refused (exit code 9) while a process is at it.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The final name, the part or the journal
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
}
