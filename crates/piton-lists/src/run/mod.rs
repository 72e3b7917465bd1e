//! Processing a list: each item to its file, each outcome to the ledger.
//!
//! ```text
//!     two blocking threads                      the caller's thread, with the network
//!
//!  list ─► parse, key ─► in the ledger? ─► name ─► queue ─► download ─► outcome ─► ledger
//!          parsing.rs    │ reading.rs              (flow)   attempt.rs  │ ends.rs  accounts.rs
//!                        ▼                            ▲                 ▼
//!                     skipped, counted                └── again ◄── may pass
//! ```
//!
//! `conductor.rs` runs the loop on the right; `verdict.rs` decides what a failure means.

mod accounts;
mod attempt;
mod conductor;
mod ends;
mod error;
mod inventory;
mod job;
mod monitor;
mod options;
mod parsing;
mod rates;
mod reading;
mod slots;
mod summary;
mod thread;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use piton_checkpoint::ledger::{Ledger, Reader, Run as Entry, RunId};
use piton_fetch::{Client, Stop};
use tokio::sync::mpsc::channel;
use tokio::task::LocalSet;
use tokio::time::Instant;

use conductor::{Conductor, now_ms};
use inventory::Inventory;
use reading::Reading;

pub(crate) use job::weight;
pub(crate) use parsing::{ahead, parse};

pub use error::RunError;
pub use monitor::{End, Event, Monitor, Observer, Progress, Suppressed};
pub use options::{Adjust, Classes, DoneFile, MaxFailures, Options, Recorded, Select};
pub use summary::{Early, Summary};

use crate::format::ListError;
use crate::name::{Folder, Taken};

use crate::source::Source;

/// Batches of items that may wait between the thread that reads and the one that downloads.
const BATCHES: usize = 4;

/// A list, and everything needed to process it.
#[derive(Clone)]
pub struct Run {
    client: Client,
    ledger: Ledger,
    source: Source,
    options: Arc<Options>,
}

impl Run {
    /// A run of the list in `source`. The ledger must belong to this list: it identifies items by content.
    pub fn new(client: Client, ledger: Ledger, source: Source, options: Options) -> Self {
        Self { client, ledger, source, options: Arc::new(options) }
    }

    /// Processes the list, resuming where earlier runs stopped, whatever stopped them. When this returns,
    /// nothing is in progress. Dropping the future is like a kill.
    ///
    /// Runs on a single-threaded tokio runtime, with its timers and network.
    ///
    /// # Errors
    /// [`RunError`]. Failed items are not an error: the summary and the ledger report them.
    pub async fn go(&self, monitor: Monitor, stop: Stop) -> Result<Summary, RunError> {
        let begun = Instant::now();
        let prepared = {
            let (run, monitor, stop) = (self.clone(), monitor.clone(), stop.clone());
            thread::begin(move || run.prepare(&monitor, &stop)).map_err(RunError::Thread)?
        };
        let result = match prepared.await? {
            Some(prepared) => self.go_through(prepared, &monitor, &stop).await,
            None => {
                monitor.count(|summary| summary.ended = Some(Early::Stopped));
                Ok(())
            }
        };
        let mut shared = monitor.shared();
        let shared = &mut *shared;
        let summary = &mut shared.summary;
        summary.took = begun.elapsed();
        let counted = summary.items();
        summary.unread = shared.items.map(|items| items.saturating_sub(counted));
        result.map(|()| *summary)
    }

    /// Before the first download. `None`: stopped meanwhile.
    fn prepare(&self, monitor: &Monitor, stop: &Stop) -> Result<Option<Prepared>, RunError> {
        let options = &self.options;
        // A list that is not there leaves no folder behind.
        self.source.open().map_err(ListError::from)?;
        let fs = Arc::clone(self.client.fs());
        let folder = Folder::open(fs, &options.folder, options.durability)?;
        let (list, ledger) = (self.source.path(), self.ledger.path());
        let taken = Taken::of(&**self.client.fs(), list, ledger).map_err(ListError::from)?;
        if options.strict || matches!(options.max_failures, Some(MaxFailures::Percent(_))) {
            let source = self.source.clone().until(stop.clone(), Duration::ZERO);
            let found = match Inventory::take(&source) {
                // Whatever is wrong with the list, the next run finds it again.
                Err(_) if stop.is_stopped() => return Ok(None),
                found => found?,
            };
            if let Some(first) = found.first_bad.filter(|_| options.strict) {
                return Err(RunError::Strict { first, lines: found.bad_lines });
            }
            monitor.counted(found.items);
        }
        let id = self.ledger.begin_run(Entry {
            began: now_ms(),
            list: self.source.path().to_string_lossy().into_owned(),
            fingerprint: fingerprint(&self.source),
            options: options.remember.clone(),
        })?;
        Ok(Some(Prepared { folder, taken, id }))
    }

    /// The content of the ledger, if it has any: an item appears once, so rows written in this run do not
    /// matter to the reader of the list.
    fn known(&self) -> Result<Option<Reader>, RunError> {
        let reader = self.ledger.reader()?;
        Ok((!reader.is_empty()?).then_some(reader))
    }

    async fn go_through(
        &self,
        prepared: Prepared,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Result<(), RunError> {
        let Prepared { folder, taken, id } = prepared;
        let (to, batches) = channel(BATCHES);
        let reading = Reading {
            source: self.source.clone().until(stop.clone(), reading::COUNTING),
            stop: stop.clone(),
            reported: reading::Reported::default(),
            known: self.known()?,
            ledger: self.ledger.clone(),
            folder: folder.clone(),
            taken,
            options: Arc::clone(&self.options),
            monitor: monitor.clone(),
        };
        let reading = thread::begin(move || reading.run(&to)).map_err(RunError::Thread)?;
        let conductor = Conductor::new(self, &folder, monitor);
        let conducted = LocalSet::new().run_until(conductor.run(batches, stop)).await;
        let read = reading.await;
        let ledger = self.ledger.clone();
        let ended = match thread::begin(move || ledger.end_run(id, now_ms())) {
            Ok(ended) => ended.await.map_err(RunError::from),
            Err(error) => Err(RunError::Thread(error)),
        };
        conducted.and(read).and(ended)
    }
}

/// A value that changes when the list does: its length and its time.
pub(crate) fn fingerprint(source: &Source) -> Vec<u8> {
    let Ok(about) = std::fs::metadata(source.path()) else { return Vec::new() };
    let since = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let time = since.unwrap_or_default().as_nanos();
    [&about.len().to_le_bytes()[..], &time.to_le_bytes()[..]].concat()
}

/// What comes before the first download.
struct Prepared {
    folder: Folder,
    taken: Taken,
    id: RunId,
}
