//! What is shown while files come in.

use clap::Args;

#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,

    /// One JSON object per line on stdout, for programs
    #[arg(long)]
    pub(crate) json: bool,
}
