//! `piton get`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use piton::fetch::digest::Digest;

use super::{FetchOptions, ListOptions};

/// Fetch files, resuming where an earlier run stopped
///
/// Run the same command again to resume. Several URLs are fetched in parallel; for more than a
/// handful, use a list (-i).
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
pub(crate) struct GetArgs {
    /// URLs to fetch: http://, https:// or file://
    #[arg(value_name = "URL", required_unless_present = "list")]
    pub(crate) urls: Vec<String>,

    /// Fetch all files of a list: a file, a URL, or "-"
    ///
    /// The list may be of any length, and may change between runs: items are recognised by their
    /// content. Finished items are left alone; failed items never stop the rest.
    #[arg(short = 'i', long = "input-file", value_name = "LIST", conflicts_with = "urls")]
    pub(crate) list: Option<OsString>,

    #[command(flatten)]
    pub(crate) files: FileOptions,
    #[command(flatten)]
    pub(crate) checks: CheckOptions,
    #[command(flatten)]
    pub(crate) options: ListOptions,

    /// Ask the servers whether finished items have changed, and fetch those that have
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

    /// Write into this folder, created if missing [default: .]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Replace an existing file, atomically at the end
    #[arg(long, conflicts_with = "rename")]
    pub(crate) overwrite: bool,

    /// Keep an existing file, and use the next free name
    #[arg(long)]
    pub(crate) rename: bool,

    /// Fetch only if the source is newer than the existing file
    #[arg(short = 'N', long, conflicts_with = "rename")]
    pub(crate) only_newer: bool,

    /// Start over, and discard what an earlier run fetched
    #[arg(long)]
    pub(crate) restart: bool,

    /// Another URL of the same file (repeatable; one URL only)
    ///
    /// With a digest, bytes come from all URLs in parallel, and each idle connection asks the fastest.
    /// Without one, a mirror is used only when the first URL fails. A mirror that has a different file,
    /// or none, is dropped and reported.
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Vec<String>,

    /// Only print what would be fetched
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What the file must be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Integrity")]
pub(crate) struct CheckOptions {
    /// Digest of the file (repeatable; one URL only)
    ///
    /// ALG is md5, sha1, sha256, sha512 or blake3. A file that does not match never gets its final
    /// name. Digests that the server sends are always checked.
    #[arg(long, value_name = "ALG:HEX")]
    pub(crate) checksum: Vec<Digest>,

    /// List of digests in the format of SHA256SUMS, looked up by file name
    ///
    /// A local file, or a URL.
    #[arg(long, value_name = "FILE|URL", hide_short_help = true)]
    pub(crate) checksum_file: Option<String>,
}

const AFTER_HELP: &str = "See --help for all options (logins, proxies, TLS, ...) and examples.";

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

Ctrl-C saves everything: run the same command again, or \"piton resume\", to continue. A second
Ctrl-C quits at once and loses at most what arrived in the last moment.";
