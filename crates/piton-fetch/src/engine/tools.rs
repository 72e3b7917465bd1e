//! What a download works with.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use piton_durable::fs::{Fs, Lack};

use crate::monitor::{Event, Monitor};
use crate::sink::Landings;
use crate::transport::Transport;

/// The network and the disk of a client, for the engine. Clones share them.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) transport: Transport,
    pub(crate) fs: Arc<dyn Fs>,
    landings: Arc<OnceLock<Option<Landings>>>,
    /// What the file system lacks, as far as it was told.
    lacks: Arc<Mutex<HashSet<Lack>>>,
}

impl Tools {
    pub(crate) fn new(transport: Transport, fs: Arc<dyn Fs>) -> Self {
        Self { transport, fs, landings: Arc::default(), lacks: Arc::default() }
    }

    /// Tells of what the file system at `path` lacks, once.
    pub(crate) fn tell_lack(&self, monitor: &Monitor, what: Lack, path: &Path) {
        if self.lacks.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            monitor.tell(Event::Lacks { what, path: path.to_owned() });
        }
    }

    /// What saves small files, from their first on. `None` where there is no thread for it.
    pub(crate) fn landings(&self) -> Option<&Landings> {
        self.landings.get_or_init(|| Landings::start(&self.fs).ok()).as_ref()
    }
}
