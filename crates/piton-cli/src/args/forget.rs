//! `piton forget`.

use std::path::PathBuf;

use clap::Args;

/// Give up unfinished downloads, lists or jobs and remove their state
///
/// For a file, removes the part and the journal; for a list, removes the ledger with the outcomes of
/// its items; for a job, removes its state, its spool and its unfinished output. Finished files and the
/// list itself are never touched. Refuses (exit code 9) while another process is using them.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// A file (its final name, part or journal), a list (or its state, LIST.piton.db), or the output,
    /// source or state of a job
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// State of the list or job, as given to the command that started it
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}
