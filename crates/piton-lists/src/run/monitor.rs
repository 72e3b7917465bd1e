//! What a run reports: events as they happen, and figures to poll.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use piton_checkpoint::ledger::{ErrorClass, InFlight};

use super::Summary;
use super::slots::Landing;
use crate::Item;
use crate::format::{BadLine, Notice};

/// Something that happened in a run.
#[non_exhaustive]
pub enum Event<'a> {
    /// It is known now how many items the list has.
    Counted {
        /// Items.
        items: u64,
    },
    /// A wrong line.
    BadLine(&'a BadLine),
    /// From here on what is of this kind is only counted: a list may have millions of it.
    Hushed(Hushed),
    /// Something in the list that piton passes over.
    Notice(&'a Notice),
    /// A try of an item begins.
    Started {
        /// The item.
        item: &'a Item,
        /// Where its file goes.
        path: &'a Path,
        /// The window onto its download.
        monitor: &'a piton_fetch::Monitor,
    },
    /// Something happened in the download of an item.
    Download {
        /// Where the item stands in the list.
        line: u64,
        /// What.
        event: &'a piton_fetch::Event,
    },
    /// A try failed; the item will be tried again in this run.
    Again {
        /// The item.
        item: &'a Item,
        /// What failed.
        why: &'a str,
        /// Tries until now, in this run.
        tries: u32,
    },
    /// An item came to its end in this run.
    Ended {
        /// The item.
        item: &'a Item,
        /// Where its file is or would be; `None` if it has no name.
        path: Option<&'a Path>,
        /// How.
        end: End<'a>,
    },
    /// A host wants to be left alone.
    HeldBack {
        /// The host.
        host: &'a str,
        /// For so long, if it said so.
        pause: Option<Duration>,
    },
    /// A host failed for too long: nothing more is asked of it in this run, and its items that were not
    /// tried fail with it.
    GivenUp {
        /// The host.
        host: &'a str,
        /// How it failed last.
        why: &'a str,
        /// Items that waited for it.
        items: usize,
    },
}

/// How an item ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End<'a> {
    /// Its file is whole under its final name.
    Done(&'a piton_fetch::Outcome),
    /// It failed.
    Failed {
        /// For good: no later run tries it by itself.
        fatal: bool,
        /// The word for it.
        class: Option<&'a ErrorClass>,
        /// What failed, in a sentence.
        why: &'a str,
        /// It was not tried: its host was given up before its turn.
        with_host: bool,
    },
    /// A finished item was to be checked and could not be; its file stays.
    Unchecked {
        /// What failed.
        why: &'a str,
    },
    /// The run was stopped; what had come in is saved.
    Stopped,
}

/// Of what a list has too much to tell all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hushed {
    /// Wrong lines.
    BadLines,
    /// What is passed over.
    Notices,
}

/// Receives events, on whatever thread they happen. Must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// Figures at one moment of a run.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Items in the list; `None` while that is not known.
    pub items: Option<u64>,
    /// The counts as they are now: what is not counted yet waits, runs or was not read.
    pub so_far: Summary,
    /// Bytes that came over the network, those of the running downloads included.
    pub bytes: u64,
    /// Items of the list that were read: skipped, waiting, running or ended.
    pub read: u64,
    /// Files under way.
    pub running: usize,
}

/// The window onto one run; clones look at the same one.
#[derive(Clone, Default)]
pub struct Monitor {
    shared: Arc<Mutex<Shared>>,
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) items: Option<u64>,
    pub(super) read: u64,
    pub(super) summary: Summary,
    running: BTreeMap<u64, piton_fetch::Monitor>,
    counter: u64,
}

impl Monitor {
    /// A window, with someone who is told of events.
    pub fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self { shared: Arc::default(), observer }
    }

    /// The figures now.
    pub fn progress(&self) -> Progress {
        let shared = self.shared();
        let running = shared.running.values().map(|monitor| monitor.progress().fetched);
        Progress {
            items: shared.items,
            so_far: shared.summary,
            bytes: running.fold(shared.summary.bytes, u64::saturating_add),
            read: shared.read,
            running: shared.running.len(),
        }
    }

    /// The downloads under way, the longest first.
    pub fn running(&self) -> Vec<piton_fetch::Progress> {
        self.shared().running.values().map(piton_fetch::Monitor::progress).collect()
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.event(event);
        }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Summary)) {
        change(&mut self.shared().summary);
    }

    /// It is known now how many items the list has.
    pub(super) fn counted(&self, items: u64) {
        let before = self.shared().items.replace(items);
        if before != Some(items) {
            self.tell(&Event::Counted { items });
        }
    }

    /// A window onto a download of the item on this line, which counts as running until the number
    /// that comes with it is given to [`Monitor::leave`].
    pub(super) fn enter(
        &self,
        line: u64,
        flight: Option<&Arc<InFlight>>,
        landing: &Landing,
    ) -> (u64, piton_fetch::Monitor) {
        let mut shared = self.shared();
        shared.counter = shared.counter.wrapping_add(1);
        let number = shared.counter;
        let (run, landing) = (self.observer.clone(), landing.clone());
        let flight = flight.map(Arc::downgrade).unwrap_or_default();
        let observer = OfDownload { run, line, number, flight, landing };
        let monitor = piton_fetch::Monitor::new(Some(Arc::new(observer)));
        shared.running.insert(number, monitor.clone());
        (number, monitor)
    }

    /// The download is over, and so many bytes came.
    pub(super) fn leave(&self, number: u64, bytes: u64) {
        let mut shared = self.shared();
        shared.running.remove(&number);
        shared.summary.bytes = shared.summary.bytes.saturating_add(bytes);
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes on what a download tells.
struct OfDownload {
    run: Option<Arc<dyn Observer>>,
    line: u64,
    number: u64,
    flight: Weak<InFlight>,
    landing: Landing,
}

impl piton_fetch::Observer for OfDownload {
    fn event(&self, event: &piton_fetch::Event) {
        use piton_fetch::Event as E;
        // It was asked for or has come, and this process lives: a crash is not its doing.
        if matches!(event, E::Landing | E::Retrying { .. })
            && let Some(flight) = self.flight.upgrade()
        {
            flight.mark_harmless();
        }
        if matches!(event, E::Landing) {
            self.landing.tell(self.number);
        }
        if let Some(run) = &self.run {
            run.event(&Event::Download { line: self.line, event });
        }
    }
}
