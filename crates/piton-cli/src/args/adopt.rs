//! `piton adopt`.

use std::path::PathBuf;

use clap::Args;

use super::get::CheckOptions;
use super::{NetworkOptions, OutputOptions, TransferOptions};

/// Go on with a file that curl, wget, aria2 or a browser began
///
/// Compares what is there with the server in some places and says how sure that makes it. What agrees
/// becomes a download of piton, which then goes on. End the other program first. Until the comparison
/// has succeeded the file is as it was, and no crash loses it.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct AdoptArgs {
    /// The partial file, or the control file that aria2 left beside it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Where it comes from: http:// or https://
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    #[command(flatten)]
    pub(crate) adoption: AdoptionOptions,
    #[command(flatten)]
    pub(crate) checks: CheckOptions,
    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// What is taken over, and what becomes of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Taking over")]
pub(crate) struct AdoptionOptions {
    /// Final name [default: FILE without .part, .crdownload, .opdownload, .partial, .aria2]
    ///
    /// On the file system that FILE is on: it is renamed, never copied.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) output: Option<PathBuf>,

    /// Random places to compare, beside both ends of each run of data [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub(crate) samples: Option<u32>,

    /// Replace a file that stands under the final name, at the end and at once
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Take over only; "piton resume" goes on
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) no_download: bool,

    /// Only compare, and say what would be taken over
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton adopt big.iso https://example.com/big.iso              curl or wget had begun it
  piton adopt big.iso.crdownload https://example.com/big.iso   Chrome
  piton adopt big.iso.aria2 https://example.com/big.iso        aria2
  piton adopt --checksum sha256:9f86...0a08 big.iso https://example.com/big.iso

What lies between the places that were compared is believed without proof; a digest (--checksum, or one
that the server sends) proves the whole at the end, and if it does not agree, everything is fetched anew.";
