//! An item on its way through a run.

use piton_checkpoint::ledger::{ErrorClass, Key};
use url::Url;

use crate::Item;
use crate::name::{NameError, TargetPath};

/// What comes from the list.
pub(super) enum Read {
    Job(Job),
    Nameless(Nameless),
}

/// An item that can have no name in the target folder.
pub(super) struct Nameless {
    pub(super) item: Box<Item>,
    pub(super) key: Key,
    /// Tries in earlier runs.
    pub(super) attempts: u32,
    pub(super) error: NameError,
}

/// An item on its way through a run.
pub(super) struct Job {
    pub(super) item: Box<Item>,
    pub(super) key: Key,
    /// The path of its file.
    pub(super) target: TargetPath,
    /// Another item has the name that it requested, so the ledger must record which one it got.
    pub(super) renamed: bool,
    /// A killed run had started it: it goes first.
    pub(super) first: bool,
    /// It is done; only check whether the server still has that version.
    pub(super) check: bool,
    /// Tries in earlier runs.
    pub(super) attempts: u32,
    /// Tries in this run.
    pub(super) tries: u32,
    /// Failed tries since its last progress.
    pub(super) in_vain: u32,
    /// The most bytes saved after any try.
    pub(super) have: u64,
    /// Bytes received in this run.
    pub(super) fetched: u64,
    /// How often it was refused while others of its host ran, since it was last tried alone.
    pub(super) suspicions: u32,
    /// Its last failure.
    pub(super) failed: Option<Failed>,
}

/// A failed try, in words.
pub(super) struct Failed {
    pub(super) class: Option<ErrorClass>,
    pub(super) why: String,
}

impl Job {
    /// An item that was not tried in this run.
    pub(super) fn new(item: Item, key: Key, target: TargetPath) -> Self {
        Self {
            item: Box::new(item),
            key,
            target,
            renamed: false,
            first: false,
            check: false,
            attempts: 0,
            tries: 0,
            in_vain: 0,
            have: 0,
            fetched: 0,
            suspicions: 0,
            failed: None,
        }
    }

    /// The number of the next try, over all runs, from 1.
    pub(super) fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(self.tries).saturating_add(1)
    }

    /// The host under which it is queued: that of its first URL, or, if that host was given up, those of
    /// its mirrors, counted from 1.
    pub(super) fn host(&self, mirror: usize) -> Option<String> {
        self.item.urls.get(mirror).map(|one| host_of(&one.url))
    }

    /// Its approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        weight(&self.item)
    }
}

/// The identity of a host: its name, and its port if that is not the default one. Another port is another
/// server, which may be well while the first is down.
fn host_of(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

impl Read {
    /// Its approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Job(job) => job.weight(),
            Self::Nameless(nameless) => weight(&nameless.item),
        }
    }
}

/// The approximate size of an item in bytes.
pub(crate) fn weight(item: &Item) -> usize {
    let urls = item.urls.iter().map(|one| 128 + one.url.as_str().len());
    let headers = item.headers.iter().map(|(name, value)| 96 + name.as_str().len() + value.len());
    let pieces = item.pieces.as_ref().map_or(0, |pieces| pieces.digests().len());
    let digests = 64 * (item.digests.len() + pieces);
    let out = item.out.as_ref().map_or(0, String::len);
    512 + out + digests + urls.sum::<usize>() + headers.sum::<usize>()
}
