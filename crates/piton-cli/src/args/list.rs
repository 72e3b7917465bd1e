//! Lists: which one, how it is gone through; for `get -i`, `retry`, `failures`, `status` and the
//! config file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use piton::lists::run::MaxFailures;
use serde::Deserialize;

use super::value::{Bytes, FailureLimit, Frequency, Span, from_text};

/// All that goes with a list.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct ListOptions {
    #[command(flatten)]
    pub(crate) source: ListSource,
    #[command(flatten)]
    pub(crate) flow: ListFlow,
    #[command(flatten)]
    pub(crate) run: ListRun,
}

/// Which list, and how it is to be read.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "List")]
pub(crate) struct ListSource {
    /// Keep what happened to each item in this file [default: LIST.piton.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Format of the list, where name and content do not tell
    ///
    /// lines (an address per line, with options as aria2 has them), csv, tsv, jsonl, checksums (as
    /// sha256sum writes them), metalink or sitemap.
    #[arg(long, value_name = "FORMAT", hide_short_help = true)]
    pub(crate) list_format: Option<String>,

    /// What relative addresses in the list are relative to
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub(crate) base: Option<String>,
}

/// `[list]`: how fast a list is gone through.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "List")]
pub(crate) struct ListFlow {
    /// Files at once [default: 16]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Files at once from one host [default: 8]
    #[arg(long, value_name = "N")]
    pub(crate) per_host: Option<NonZeroUsize>,

    /// Wait so long from one file to the next of the same host
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) wait: Option<Span>,

    /// Wait between half of --wait and one and a half of it, drawn again each time
    #[arg(long, value_name = "BOOL", hide_short_help = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) random_wait: Option<bool>,

    /// Begin at most so many files a second at one host (0.5 is one in two seconds)
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) requests_per_second: Option<Frequency>,

    /// Refuse a list at a URL that is longer than this; --max-size counts as well [default: 1GiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) max_list_size: Option<Bytes>,

    /// Bytes a second from one host (500k, 10M)
    #[arg(long, value_name = "RATE", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) limit_rate_per_host: Option<Bytes>,
}

/// What is decided for each run of a list.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "List")]
pub(crate) struct ListRun {
    /// Name files after the last part of the address alone [default]
    #[arg(long, conflicts_with = "tree", hide_short_help = true)]
    pub(crate) flat: bool,

    /// Keep host and folders of the address: host/a/b.bin
    #[arg(long)]
    pub(crate) tree: bool,

    /// Begin nothing if a line of the list is wrong
    #[arg(long, hide_short_help = true)]
    pub(crate) strict: bool,

    /// Start nothing new when more than N items failed, or P% of the list
    #[arg(long, value_name = "N|P%", hide_short_help = true)]
    pub(crate) max_failures: Option<FailureLimit>,

    /// Run this once for each file that became done, with its path as the last argument
    ///
    /// Words are split as a shell does, but no shell is started: give one if you want it (sh -c
    /// '...'). PITON_PATH, PITON_URL, PITON_SIZE and PITON_DIGEST say more. Commands run beside the
    /// downloads, a few at once; one that fails is told and counted (exit code 14).
    #[arg(long, value_name = "CMD", hide_short_help = true)]
    pub(crate) on_done: Option<String>,
}

impl ListFlow {
    /// These options, and for what they leave open the ones of the config file.
    pub(crate) fn or(self, defaults: Self) -> Self {
        Self {
            jobs: self.jobs.or(defaults.jobs),
            per_host: self.per_host.or(defaults.per_host),
            wait: self.wait.or(defaults.wait),
            random_wait: self.random_wait.or(defaults.random_wait),
            requests_per_second: self.requests_per_second.or(defaults.requests_per_second),
            max_list_size: self.max_list_size.or(defaults.max_list_size),
            limit_rate_per_host: self.limit_rate_per_host.or(defaults.limit_rate_per_host),
        }
    }
}

impl ListRun {
    /// The limit as the library takes it.
    pub(crate) fn max_failures(&self) -> Option<MaxFailures> {
        self.max_failures.map(|FailureLimit(limit)| limit)
    }
}
