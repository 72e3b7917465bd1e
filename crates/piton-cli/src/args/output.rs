//! What is shown during downloads.

use clap::Args;

#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Print only errors
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,

    /// Print one JSON object per line on stdout, for programs
    #[arg(long)]
    pub(crate) json: bool,
}
