//! `piton forget`.

use std::path::PathBuf;

use clap::Args;

/// Give up unfinished downloads or lists and remove their state
///
/// For a file, removes the part and the journal; for a list, removes the ledger with the outcomes of
/// its items. Finished files and the list itself are never touched. Refuses (exit code 9) while another
/// process is using them.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// A file (its final name, part or journal), or a list (or its state, LIST.piton.db)
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// State file of the list, as given to "piton get -i" [default: LIST.piton.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}
