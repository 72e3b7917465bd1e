//! What every command that fetches takes.

use clap::Args;

use super::{NetworkOptions, OutputOptions, TransferOptions};
use crate::config::Config;

/// How to fetch, from whom, and what to show of it.
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
    /// These options, and for what they leave open the ones of the config file.
    pub(crate) fn or(self, defaults: &Config) -> Self {
        Self {
            transfer: self.transfer.or(defaults.transfer.clone()),
            network: self.network.or(defaults.network.clone()),
            output: self.output,
        }
    }
}
