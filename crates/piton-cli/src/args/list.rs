//! The options for lists: which one, and how to process it; for `get -i`, `retry`, `failures`, `status`
//! and the config file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use piton::lists::run::MaxFailures;
use serde::Deserialize;

use super::value::{Bytes, FailureLimit, Frequency, Span, from_text};

/// All options for a list.
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
    /// Record the outcome of each item in this file [default: LIST.piton.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,

    /// Format of the list [default: detected from name and content]
    ///
    /// lines (one URL per line, with options as in aria2), csv, tsv, jsonl, checksums (as written by
    /// sha256sum), metalink or sitemap.
    #[arg(long, value_name = "FORMAT", hide_short_help = true)]
    pub(crate) list_format: Option<String>,

    /// Base URL for relative URLs in the list
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub(crate) base: Option<String>,
}

/// `[list]`: how fast a list is processed.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "List")]
pub(crate) struct ListFlow {
    /// Files to fetch in parallel [default: 16]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Files to fetch in parallel from one host [default: 8]
    #[arg(long, value_name = "N")]
    pub(crate) per_host: Option<NonZeroUsize>,

    /// Wait this long between two files from the same host
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) wait: Option<Span>,

    /// Vary each wait at random between 0.5 and 1.5 times --wait
    #[arg(long, value_name = "BOOL", hide_short_help = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) random_wait: Option<bool>,

    /// Start at most N files per second from one host (0.5: one every two seconds)
    #[arg(long, value_name = "N", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) requests_per_second: Option<Frequency>,

    /// Refuse a list at a URL that is longer than this; --max-size applies too [default: 1GiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) max_list_size: Option<Bytes>,

    /// Limit the bytes per second from one host (500k, 10M)
    #[arg(long, value_name = "RATE", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) limit_rate_per_host: Option<Bytes>,
}

/// Options that hold for one run of a list.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "List")]
pub(crate) struct ListRun {
    /// Name files after the last part of the URL only [default]
    #[arg(long, conflicts_with = "tree", hide_short_help = true)]
    pub(crate) flat: bool,

    /// Keep the host and folders of the URL: host/a/b.bin
    #[arg(long)]
    pub(crate) tree: bool,

    /// Start nothing if any line of the list is invalid
    #[arg(long, hide_short_help = true)]
    pub(crate) strict: bool,

    /// Stop starting new items after more than N items, or P% of the list, have failed
    #[arg(long, value_name = "N|P%", hide_short_help = true)]
    pub(crate) max_failures: Option<FailureLimit>,

    /// Run this command once for each finished file, with its path as the last argument
    ///
    /// Words are split as in a shell, but no shell runs: use sh -c '...' if you need one. The
    /// environment variables PITON_PATH, PITON_URL, PITON_SIZE and PITON_DIGEST describe the file. A few
    /// commands run at a time, alongside the downloads; failures are reported and counted (exit code
    /// 14).
    #[arg(long, value_name = "CMD", hide_short_help = true)]
    pub(crate) on_done: Option<String>,
}

impl ListFlow {
    /// These options, with those of the config file where these are not set.
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
    /// The limit in the form that the library takes.
    pub(crate) fn max_failures(&self) -> Option<MaxFailures> {
        self.max_failures.map(|FailureLimit(limit)| limit)
    }
}
