//! `piton forget`.

use std::path::PathBuf;

use clap::Args;

/// Give up unfinished downloads or lists, removing their state
///
/// Of a file, part and journal go; of a list, what is known of its items. Files under their final
/// names and lists are never touched. Refused (exit code 9) while a process is at it.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// A file by its final name, part or journal; a list, or its state (LIST.piton.db)
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Where the state of the list is, as "piton get -i" was given it [default: LIST.piton.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}
