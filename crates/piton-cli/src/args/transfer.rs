//! `[transfer]`: how a file is fetched and kept; for `get`, `resume` and the config file.

use clap::{Args, ValueEnum};
use piton::durable::part::Durability;
use piton::fetch::{Download, IfChanged, RateLimit};
use serde::Deserialize;

use super::value::{Bytes, Connections, MediaTypes, Span, from_text};

#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Transfer")]
pub(crate) struct TransferOptions {
    /// Connections per file: a number or "auto" [default: auto]
    ///
    /// "auto" starts with one and adds more while they measurably help, up to a number that is polite
    /// to the server.
    #[arg(short = 'x', long, value_name = "N|auto")]
    #[serde(deserialize_with = "from_text")]
    connections: Option<Connections>,

    /// Limit the bytes per second, for all files together (500k, 10M)
    #[arg(long, value_name = "RATE")]
    #[serde(deserialize_with = "from_text")]
    limit_rate: Option<Bytes>,

    /// Failures in a row to tolerate [default: 8]
    ///
    /// Any progress in between resets the count. The pauses between tries grow; a pause that the server
    /// asks for (Retry-After) is honoured.
    #[arg(long, value_name = "N")]
    retries: Option<u32>,

    /// Give up a connection on which nothing arrives for this long [default: 30s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    stall_timeout: Option<Span>,

    /// How long a server may take to start its answer [default: four times --stall-timeout]
    ///
    /// Some servers generate the file first. The limit doubles after each timeout.
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    answer_timeout: Option<Span>,

    /// Media types to accept (application/zip, image/*)
    ///
    /// An answer with another type is a failure; an answer without a type is accepted.
    #[arg(long, value_name = "TYPE", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    expect_type: Option<MediaTypes>,

    /// Refuse files longer than this (500M, 2GiB)
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    max_size: Option<Bytes>,

    /// What to do if the source has changed since the download started [default: restart]
    ///
    /// Two versions are never mixed. "restart" starts over with the new version; "stop" keeps what is
    /// there and exits with code 10.
    #[arg(long, value_name = "WHAT", hide_short_help = true)]
    if_changed: Option<OnChange>,

    /// What a download must survive [default: power]
    ///
    /// "power" survives a power cut; "process" survives kill -9 but not a power cut; "none" keeps no
    /// journal, so that nothing can be resumed.
    #[arg(long, value_name = "LEVEL", hide_short_help = true)]
    durability: Option<Level>,

    /// Read back and check all existing data before resuming
    #[arg(long, value_name = "BOOL", hide_short_help = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", hide_possible_values = true)]
    verify_part: Option<bool>,

    /// Do not set the file's modification time to the source's Last-Modified
    #[arg(long, value_name = "BOOL", hide_short_help = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", hide_possible_values = true)]
    no_mtime: Option<bool>,
}

/// `--if-changed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OnChange {
    Restart,
    Stop,
}

/// `--durability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Power,
    Process,
    None,
}

impl Level {
    fn durability(self) -> Durability {
        match self {
            Self::Power => Durability::Power,
            Self::Process => Durability::Process,
            Self::None => Durability::None,
        }
    }
}

impl TransferOptions {
    /// These options, with those of the config file where these are not set.
    pub(crate) fn or(self, defaults: Self) -> Self {
        Self {
            connections: self.connections.or(defaults.connections),
            limit_rate: self.limit_rate.or(defaults.limit_rate),
            retries: self.retries.or(defaults.retries),
            stall_timeout: self.stall_timeout.or(defaults.stall_timeout),
            answer_timeout: self.answer_timeout.or(defaults.answer_timeout),
            expect_type: self.expect_type.or(defaults.expect_type),
            max_size: self.max_size.or(defaults.max_size),
            if_changed: self.if_changed.or(defaults.if_changed),
            durability: self.durability.or(defaults.durability),
            verify_part: self.verify_part.or(defaults.verify_part),
            no_mtime: self.no_mtime.or(defaults.no_mtime),
        }
    }

    /// The rate limit that all files of this call share.
    pub(crate) fn rate_limit(&self) -> Option<RateLimit> {
        self.limit_rate.map(|Bytes(rate)| RateLimit::new(rate))
    }

    /// These without `--retries`, which in a list counts the tries of an item, not those within one.
    pub(crate) fn without_retries(&self) -> Self {
        Self { retries: None, ..self.clone() }
    }

    pub(crate) fn max_size(&self) -> Option<u64> {
        self.max_size.map(|Bytes(limit)| limit)
    }

    pub(crate) fn retries(&self) -> Option<u32> {
        self.retries
    }

    pub(crate) fn connections(&self) -> Option<piton::fetch::Connections> {
        self.connections.map(|Connections(connections)| connections)
    }

    pub(crate) fn durability(&self) -> Option<Durability> {
        self.durability.map(Level::durability)
    }

    /// Sets the options that were given; the others keep the default of the library.
    pub(crate) fn apply(&self, download: &mut Download) {
        if let Some(Connections(connections)) = self.connections {
            download.connections = connections;
        }
        if let Some(retries) = self.retries {
            download.retries = retries;
        }
        if let Some(Span(timeout)) = self.stall_timeout {
            download.stall_timeout = timeout;
        }
        if let Some(Span(timeout)) = self.answer_timeout {
            download.answer_timeout = Some(timeout);
        }
        if let Some(MediaTypes(types)) = &self.expect_type {
            download.expect_types.clone_from(types);
        }
        if let Some(Bytes(limit)) = self.max_size {
            download.max_size = Some(limit);
        }
        if let Some(what) = self.if_changed {
            download.if_changed = match what {
                OnChange::Restart => IfChanged::StartOver,
                OnChange::Stop => IfChanged::Stop,
            };
        }
        if let Some(durability) = self.durability() {
            download.durability = durability;
        }
        if let Some(verify) = self.verify_part {
            download.verify_part = verify;
        }
        if let Some(leave) = self.no_mtime {
            download.keep_time = !leave;
        }
    }
}
