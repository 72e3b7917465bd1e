//! `piton get`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use piton::fetch::digest::Digest;

use super::{FetchOptions, ListOptions};

/// Fetch files, going on where an earlier run stopped
///
/// The same command again goes on with what is there. Several addresses are fetched side by side;
/// more than a handful make a list.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub(crate) struct GetArgs {
    /// What to fetch: http:// or https://
    #[arg(value_name = "URL", required_unless_present = "list")]
    pub(crate) urls: Vec<String>,

    /// Fetch all files of a list: a file, an address, or "-"
    ///
    /// The list may have any length and be changed between runs: its state knows items by their
    /// content. Finished items are left alone, failed ones never stop the rest.
    #[arg(short = 'i', long = "input-file", value_name = "LIST", conflicts_with = "urls")]
    pub(crate) list: Option<OsString>,

    #[command(flatten)]
    pub(crate) files: FileOptions,
    #[command(flatten)]
    pub(crate) checks: CheckOptions,
    #[command(flatten)]
    pub(crate) options: ListOptions,

    /// Ask the servers whether finished items of the list changed, and fetch what did
    #[arg(long, help_heading = "List", hide_short_help = true)]
    pub(crate) check: bool,

    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

/// Where files go, and what may be touched there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileOptions {
    /// Write to this file (one URL only)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write into this folder, which is made if need be [default: .]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Replace a file that stands there, at the end and at once
    #[arg(long, conflicts_with = "rename")]
    pub(crate) overwrite: bool,

    /// Leave a file that stands there, and take the next free name
    #[arg(long)]
    pub(crate) rename: bool,

    /// Fetch only what is newer than the file that stands there
    #[arg(short = 'N', long, conflicts_with = "rename")]
    pub(crate) only_newer: bool,

    /// Begin again, forgetting what an earlier run fetched
    #[arg(long)]
    pub(crate) restart: bool,

    /// Another URL of the same file (repeatable; one URL only)
    ///
    /// With a digest, bytes come from all of them side by side, each idle connection asking the fastest.
    /// Without one a mirror is used only when the first URL fails. One that has another file, or none, is
    /// dropped and reported.
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,

    /// Only say what would be fetched
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What the file must be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Integrity")]
pub(crate) struct CheckOptions {
    /// Digest of the file (repeatable; one URL only)
    ///
    /// ALG is md5, sha1, sha256, sha512 or blake3. A file that does not agree never gets its final
    /// name. Digests that the server sends are compared without being asked for.
    #[arg(long, value_name = "ALG:HEX")]
    pub(crate) checksum: Vec<Digest>,

    /// List of digests in the manner of SHA256SUMS, looked up by file name
    ///
    /// A file here, or an address.
    #[arg(long, value_name = "FILE|URL", hide_short_help = true)]
    pub(crate) checksum_file: Option<String>,
}

const AFTER_HELP: &str = "See --help for logins, proxies, TLS and the rest, with examples.";

const AFTER_LONG_HELP: &str = "\
Examples:
  piton get https://example.com/big.iso
  piton get -x 8 --limit-rate 10M -d /data https://example.com/a.tar https://example.com/b.tar
  piton get --checksum sha256:9f86d081884c7d65...0f00a08 https://example.com/tool.tar.gz
  piton get --checksum-file https://example.com/SHA256SUMS https://example.com/big.iso
  piton get -x 4 https://example.com/big.iso --mirror https://mirror.example.net/big.iso
  piton get --netrc --proxy socks5h://127.0.0.1:9050 https://example.com/private.zip
  piton get -i list.txt -d /data -j 32 --per-host 4
  piton get -i release.meta4
  find-urls | piton get -i - --state work.piton.db

Stopped by Ctrl-C, all is saved: the same command goes on, and so does \"piton resume\". A second
Ctrl-C leaves at once, which costs at most what came in during the last moment.";
