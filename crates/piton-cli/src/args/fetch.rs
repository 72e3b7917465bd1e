//! The options of every command that fetches.

use clap::Args;

use super::{NetworkOptions, OutputOptions, TransferOptions};
use crate::config::Config;

/// How to fetch, from which servers, and what to show.
#[derive(Debug, Args)]
pub(crate) struct FetchOptions {
    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

impl FetchOptions {
    /// These options, with those of the config file where these are not set.
    pub(crate) fn or(self, defaults: &Config) -> Self {
        Self {
            transfer: self.transfer.or(defaults.transfer.clone()),
            network: self.network.or(defaults.network.clone()),
            output: self.output,
        }
    }
}
