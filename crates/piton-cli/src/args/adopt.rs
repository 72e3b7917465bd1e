//! `piton adopt`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::get::CheckOptions;
use super::{FetchOptions, ListSource};

/// Go on with a file that curl, wget, aria2 or a browser began
///
/// Compares what is there with the server in some places and says how sure that makes it. What agrees
/// becomes a download of piton, which then goes on. End the other program first. Until the comparison
/// has succeeded the file is as it was, and no crash loses it.
///
/// With --done DONE -i LIST instead of FILE and URL, the items of a list are marked as done that a
/// script noted as finished, so that "piton get -i LIST" fetches the rest.
#[derive(Debug, Args)]
#[command(
    override_usage = "piton adopt [OPTIONS] FILE URL\n       piton adopt [OPTIONS] --done DONE -i LIST",
    after_long_help = AFTER_LONG_HELP,
)]
pub(crate) struct AdoptArgs {
    /// The partial file, or the control file that aria2 left beside it
    #[arg(value_name = "FILE", required_unless_present = "done", conflicts_with = "done")]
    pub(crate) file: Option<PathBuf>,

    /// Where it comes from: http:// or https://
    #[arg(value_name = "URL", required_unless_present = "done", conflicts_with = "done")]
    pub(crate) url: Option<String>,

    #[command(flatten)]
    pub(crate) taken: DoneOptions,
    #[command(flatten)]
    pub(crate) source: ListSource,

    #[command(flatten)]
    pub(crate) adoption: AdoptionOptions,
    #[command(flatten)]
    pub(crate) checks: CheckOptions,
    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

/// A list, and what a script noted of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "List")]
pub(crate) struct DoneOptions {
    /// Mark the items of a list as done that this file names, one per line
    ///
    /// As an address of the item or as its line in the list. Blank lines and those that begin with "#"
    /// say nothing. The file of an item must be there, under the name that "piton get -i" gives it.
    #[arg(long, value_name = "DONE", requires = "list")]
    pub(crate) done: Option<PathBuf>,

    /// The list: a file, an address, or "-"
    #[arg(short = 'i', long = "input-file", value_name = "LIST", requires = "done")]
    pub(crate) list: Option<OsString>,

    /// The folder with the files of the list [default: that of the last run, else .]
    #[arg(short, long, value_name = "DIR", requires = "done")]
    pub(crate) directory: Option<PathBuf>,

    /// Believe DONE without looking for the files
    #[arg(long, requires = "done")]
    pub(crate) trust: bool,

    /// Files are named after the last part of the address alone [default]
    #[arg(long, conflicts_with = "tree", requires = "done", hide_short_help = true)]
    pub(crate) flat: bool,

    /// Files have host and folders of the address: host/a/b.bin
    #[arg(long, requires = "done")]
    pub(crate) tree: bool,
}

/// What is imported, and what becomes of it.
#[derive(Debug, Default, PartialEq, Args)]
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

    /// Only compare, and say what would be imported
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton adopt big.iso https://example.com/big.iso              curl or wget had begun it
  piton adopt big.iso.crdownload https://example.com/big.iso   Chrome
  piton adopt big.iso.aria2 https://example.com/big.iso        aria2
  piton adopt --checksum sha256:9f86...0a08 big.iso https://example.com/big.iso
  piton adopt --done finished.txt -i list.txt -d /data         a script had gone through a list

What lies between the places that were compared is believed without proof; a digest (--checksum, or one
that the server sends) proves the whole at the end, and if it does not agree, everything is fetched anew.";
