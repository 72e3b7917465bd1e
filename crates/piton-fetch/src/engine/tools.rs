//! What a download works with.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use piton_durable::fs::{Fs, Lack};
use url::Url;

use crate::monitor::{Event, Monitor};
use crate::sink::Landings;
use piton_remote::{Origin, Remote};

/// The network and the disk of a client, for the engine. Clones share them.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) remote: Remote,
    pub(crate) fs: Arc<dyn Fs>,
    landings: Arc<OnceLock<Option<Landings>>>,
    refused: Arc<Mutex<HashMap<Origin, RangeRefusal>>>,
    /// What the file system lacks, as far as it was told.
    lacks: Arc<Mutex<HashSet<Lack>>>,
}

/// What a host that refused a question for a range said to the same question without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeRefusal {
    /// The file: it was the range that it minds.
    OfRanges,
    /// The same: it is not about ranges.
    OfTheFile,
}

/// So many hosts are remembered; then it forgets them all.
const REMEMBERED: usize = 1024;

impl Tools {
    pub(crate) fn new(remote: Remote, fs: Arc<dyn Fs>) -> Self {
        Self {
            remote,
            fs,
            landings: Arc::default(),
            lacks: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// What the server of `url` was found to refuse, if that was found out.
    pub(crate) fn refusal_of(&self, url: &Url) -> Option<RangeRefusal> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always, and asked for each file of a list.
        if refused.is_empty() {
            return None;
        }
        refused.get(&Origin::of(url).ok()?).copied()
    }

    /// Remembers it for the downloads that come.
    pub(crate) fn remember_refusal(&self, url: &Url, refusal: RangeRefusal) {
        let Ok(origin) = Origin::of(url) else { return };
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= REMEMBERED {
            refused.clear();
        }
        refused.insert(origin, refusal);
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
