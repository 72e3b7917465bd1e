//! `piton adopt`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::get::CheckOptions;
use super::{FetchOptions, ListSource};

/// Continue a file that curl, wget, aria2 or a browser started
///
/// Compares samples of the file with the server and reports how strong that evidence is. What matches
/// becomes a piton download, which then continues. Stop the other program first. The file stays
/// unchanged until the comparison succeeds, and no crash loses it.
///
/// With --done DONE -i LIST instead of FILE and URL, marks the items of a list that a script has
/// already finished, so that "piton get -i LIST" fetches only the rest.
#[derive(Debug, Args)]
#[command(
    override_usage = "piton adopt [OPTIONS] FILE URL\n       piton adopt [OPTIONS] --done DONE -i LIST",
    after_long_help = AFTER_LONG_HELP,
)]
pub(crate) struct AdoptArgs {
    /// The partial file, or the aria2 control file next to it
    #[arg(value_name = "FILE", required_unless_present = "done", conflicts_with = "done")]
    pub(crate) file: Option<PathBuf>,

    /// Its URL: http:// or https://
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

/// A list, and what a script has finished of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "List")]
pub(crate) struct DoneOptions {
    /// Mark the list items named in this file as done, one item per line
    ///
    /// Each line is a URL of the item, or its line in the list. Blank lines and lines that start with "#"
    /// are ignored. The file of each item must exist under the name that "piton get -i" would give it.
    #[arg(long, value_name = "DONE", requires = "list")]
    pub(crate) done: Option<PathBuf>,

    /// The list: a file, a URL, or "-" for standard input
    #[arg(short = 'i', long = "input-file", value_name = "LIST", requires = "done")]
    pub(crate) list: Option<OsString>,

    /// Folder with the files of the list [default: that of the last run, else .]
    #[arg(short, long, value_name = "DIR", requires = "done")]
    pub(crate) directory: Option<PathBuf>,

    /// Trust DONE without checking that the files exist
    #[arg(long, requires = "done")]
    pub(crate) trust: bool,

    /// Files are named after the last part of the URL only [default]
    #[arg(long, conflicts_with = "tree", requires = "done", hide_short_help = true)]
    pub(crate) flat: bool,

    /// Files keep the host and folders of the URL: host/a/b.bin
    #[arg(long, requires = "done")]
    pub(crate) tree: bool,
}

/// What is adopted, and where it goes.
#[derive(Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Adoption")]
pub(crate) struct AdoptionOptions {
    /// Final name [default: FILE without .part, .crdownload, .opdownload, .partial, .aria2]
    ///
    /// Must be on the same file system as FILE, which is renamed and never copied.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) output: Option<PathBuf>,

    /// Random samples to compare, besides both ends of each data run [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10_000))]
    pub(crate) samples: Option<u32>,

    /// Replace an existing file under the final name, atomically at the end
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Adopt only; continue later with "piton resume"
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) no_download: bool,

    /// Only compare, and print what would be adopted
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER_LONG_HELP: &str = "\
Examples:
  piton adopt big.iso https://example.com/big.iso              started by curl or wget
  piton adopt big.iso.crdownload https://example.com/big.iso   Chrome
  piton adopt big.iso.aria2 https://example.com/big.iso        aria2
  piton adopt --checksum sha256:9f86...0a08 big.iso https://example.com/big.iso
  piton adopt --done finished.txt -i list.txt -d /data         a list that a script has worked on

The data between the samples is trusted without proof. A digest (--checksum, or one that the server
sends) proves the whole file at the end; if it does not match, everything is fetched again.";
