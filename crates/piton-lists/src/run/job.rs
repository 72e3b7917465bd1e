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
    /// Where its file goes.
    pub(super) target: TargetPath,
    /// Another item has the name that it wanted, so that the ledger has to say which it got.
    pub(super) renamed: bool,
    /// A dead run had begun it: it goes first.
    pub(super) first: bool,
    /// It is done; only whether the server still has that version is to be found out.
    pub(super) check: bool,
    /// Tries in earlier runs.
    pub(super) attempts: u32,
    /// Tries in this run.
    pub(super) tries: u32,
    /// Tries that failed since its last progress.
    pub(super) in_vain: u32,
    /// The most bytes of it that were here after a try.
    pub(super) have: u64,
    /// Bytes that came in this run.
    pub(super) fetched: u64,
    /// How often it was refused beside others of its host since it was tried alone.
    pub(super) suspicions: u32,
    /// How its last try failed.
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

    /// Which try the next one is, in all runs, from 1.
    pub(super) fn next_attempt(&self) -> u32 {
        self.attempts.saturating_add(self.tries).saturating_add(1)
    }

    /// The host by which it is queued: that of the URL that comes first; and if nothing more is asked
    /// of that one, those of its mirrors, counted from 1.
    pub(super) fn host(&self, mirror: usize) -> Option<String> {
        self.item.addresses.get(mirror).map(|address| host_of(&address.url))
    }

    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        weight(&self.item)
    }
}

/// What a host is known by: its name, and its port where that is not the usual one. What listens there
/// is another server, which may be well while the first is away.
fn host_of(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

impl Read {
    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Job(job) => job.weight(),
            Self::Nameless(nameless) => weight(&nameless.item),
        }
    }
}

/// About how many bytes an item holds.
pub(crate) fn weight(item: &Item) -> usize {
    let addresses = item.addresses.iter().map(|address| 128 + address.url.as_str().len());
    let headers = item.headers.iter().map(|(name, value)| 96 + name.as_str().len() + value.len());
    let pieces = item.pieces.as_ref().map_or(0, |pieces| pieces.digests().len());
    let digests = 64 * (item.digests.len() + pieces);
    let out = item.out.as_ref().map_or(0, String::len);
    512 + out + digests + addresses.sum::<usize>() + headers.sum::<usize>()
}
