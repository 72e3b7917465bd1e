//! What a download works with.

use std::sync::{Arc, OnceLock};

use piton_durable::fs::Fs;

use crate::sink::Landings;
use crate::transport::Transport;

/// The network and the disk of a client, for the engine. Clones share them.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) transport: Transport,
    pub(crate) fs: Arc<dyn Fs>,
    landings: Arc<OnceLock<Option<Landings>>>,
}

impl Tools {
    pub(crate) fn new(transport: Transport, fs: Arc<dyn Fs>) -> Self {
        Self { transport, fs, landings: Arc::default() }
    }

    /// What saves small files, from their first on. `None` where there is no thread for it.
    pub(crate) fn landings(&self) -> Option<&Landings> {
        self.landings.get_or_init(|| Landings::start(&self.fs).ok()).as_ref()
    }
}
