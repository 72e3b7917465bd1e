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
    /// The number of items in the list is now known.
    Counted {
        /// The number of items.
        items: u64,
    },
    /// An invalid line.
    BadLine(&'a BadLine),
    /// From now on, events of this kind are only counted: a list may have millions of them.
    Suppressed(Suppressed),
    /// Something in the list that piton ignores.
    Notice(&'a Notice),
    /// A try of an item starts.
    Started {
        /// The item.
        item: &'a Item,
        /// The path of its file.
        path: &'a Path,
        /// The monitor of its download.
        monitor: &'a piton_fetch::Monitor,
    },
    /// Something happened in the download of an item.
    Download {
        /// The line of the item in the list.
        line: u64,
        /// The event.
        event: &'a piton_fetch::Event,
    },
    /// A try failed; the item will be retried in this run.
    Again {
        /// The item.
        item: &'a Item,
        /// The failure.
        why: &'a str,
        /// Tries so far, in this run.
        tries: u32,
    },
    /// An item ended in this run.
    Ended {
        /// The item.
        item: &'a Item,
        /// The path of its file; `None` if it has no name.
        path: Option<&'a Path>,
        /// How it ended.
        end: End<'a>,
    },
    /// A host asks to wait.
    HeldBack {
        /// The host.
        host: &'a str,
        /// How long, if it said so.
        pause: Option<Duration>,
    },
    /// A host failed for too long: nothing more is requested from it in this run, and its untried items
    /// fail with it.
    GivenUp {
        /// The host.
        host: &'a str,
        /// Its last failure.
        why: &'a str,
        /// Items that were waiting for it.
        items: usize,
    },
}

/// How an item ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum End<'a> {
    /// Its file is complete under its final name.
    Done(&'a piton_fetch::Outcome),
    /// It failed.
    Failed {
        /// Permanently: no later run tries it by itself.
        fatal: bool,
        /// The class of the failure.
        class: Option<&'a ErrorClass>,
        /// The failure, as a sentence.
        why: &'a str,
        /// It was not tried: its host was given up before its turn.
        with_host: bool,
    },
    /// A finished item could not be checked; its file stays.
    Unchecked {
        /// The failure.
        why: &'a str,
    },
    /// The run was stopped; the received data is saved.
    Stopped,
}

/// Kinds of events that a list may have too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppressed {
    /// Invalid lines.
    BadLines,
    /// Ignored things.
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
    /// Items in the list; `None` while that is unknown.
    pub items: Option<u64>,
    /// The current counts: items that are not counted yet wait, run or were not read.
    pub so_far: Summary,
    /// Bytes received over the network, including the running downloads.
    pub bytes: u64,
    /// Items of the list that were read: skipped, waiting, running or ended.
    pub read: u64,
    /// Files in progress.
    pub running: usize,
}

/// The monitor of one run; clones share it.
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
    /// A monitor with an observer for events.
    pub fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self { shared: Arc::default(), observer }
    }

    /// The current figures.
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

    /// The downloads in progress, the longest first.
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

    /// The number of items in the list is now known.
    pub(super) fn counted(&self, items: u64) {
        let before = self.shared().items.replace(items);
        if before != Some(items) {
            self.tell(&Event::Counted { items });
        }
    }

    /// A monitor for a download of the item on this line. It counts as running until [`Monitor::leave`] is
    /// called with the returned number.
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

    /// The download has ended, and this many bytes were received.
    pub(super) fn leave(&self, number: u64, bytes: u64) {
        let mut shared = self.shared();
        shared.running.remove(&number);
        shared.summary.bytes = shared.summary.bytes.saturating_add(bytes);
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards the events of a download.
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
