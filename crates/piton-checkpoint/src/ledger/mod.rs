//! The ledger: what happened to each item of a list, kept in a file beside the list.
//!
//! A list may have ten million items, be sorted, cut or grown between runs, and be interrupted at any
//! instant. For each item, identified by its [`Key`], the ledger records whether it is done, has failed and how,
//! or was in flight when the process died. Items that were never begun have no row. It is a SQLite
//! database (`LIST.piton.db`, with a `-wal` and a `-shm` while it is in use) and a flight recorder
//! (`LIST.piton.flight`, while it is in use or after a crash). `docs/ledger-format.md` has the tables.
//!
//! ```
//! use std::sync::mpsc;
//! use piton_checkpoint::ledger::{Durability, How, Ledger, Outcome, State};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("list.piton.db");
//! # let now = 1_700_000_000_000;
//! let ledger = Ledger::open(&path, &How { durability: Durability::Power, create: true, now })?;
//! let key = *b"sixteen bytes ..";
//! assert_eq!(ledger.reader()?.lookup(&key)?, None);
//!
//! let flight = ledger.begin(key, 1, now)?; // should the process die now, the next one will know
//! let outcome = Outcome {
//!     key,
//!     state: State::Done,
//!     attempts: 1,
//!     at: now + 250,
//!     size: Some(4096),
//!     bytes: 4096,
//!     took: 250,
//!     digest: None,
//!     class: None,
//!     detail: None,
//!     path: None,
//!     host: Some("example.org".to_owned()),
//! };
//! let (send, committed) = mpsc::channel();
//! ledger.record(outcome, Box::new(move |result| drop(send.send(result))));
//! committed.recv()??; // survives a power cut from here on
//! drop(flight);
//!
//! let known = ledger.reader()?.lookup(&key)?.ok_or("recorded")?;
//! assert_eq!((known.state, known.attempts), (State::Done, 1));
//! ledger.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What survives what
//!
//! | after this has returned or called back | a kill | a power cut |
//! |---|---|---|
//! | [`Ledger::open`] that creates | the empty ledger | the empty ledger |
//! | [`Ledger::begin`] | the item counts as interrupted | nothing |
//! | [`Ledger::record`], with [`Durability::Power`] | the outcome | the outcome |
//! | [`Ledger::record`], with [`Durability::Process`] | the outcome | perhaps; the ledger is whole |
//! | [`Ledger::record_found`] | as [`Ledger::record`], all or none of them | the same |
//! | [`Ledger::claim_name`] | nothing by itself; with [`Ledger::commit_names`], or an outcome that is acknowledged | as that |
//! | [`Ledger::commit_names`] | the names claimed before | with [`Durability::Power`] the same |
//!
//! Totals change in the same transaction as the outcome they count. After a failed commit the group is
//! undone as a whole and every caller gets the error; after a failed sync the ledger accepts nothing more
//! (G7).
//!
//! # Size and speed
//!
//! A row of a file that is done takes about 45 bytes, and 25 in the index of keys, without a path and
//! a digest; a name that was claimed takes about 35. Memory does not grow with the list (G8): the pages
//! that SQLite keeps are bounded, 8 MiB to write, 4 MiB for each [`Reader`], 1 MiB for names; and
//! [`Ledger::expect_many`] takes 32 MiB.

mod dictionary;
mod error;
pub mod flight;
mod names;
mod open;
mod ours;
mod outcome;
mod owner;
mod reader;
mod row;
mod runs;
mod schema;
mod tally;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Sender, sync_channel};
use std::thread::{self, JoinHandle};

pub use error::LedgerError;
pub use flight::InFlight;
pub use names::Claim;
pub use outcome::{ErrorClass, ErrorClassError, Found, Key, Known, MAX_DETAIL, Outcome, State};
pub use owner::Done;
pub use reader::{ClassTotal, Count, Failures, HostTotal, Rate, Reader, Totals};
pub use runs::{PastRun, Run, RunId};

use names::Names;
use owner::{Command, Reply};
use writer::LedgerWrite;

/// An item that is in flight this many times in a row when its process dies is quarantined.
pub const QUARANTINE_AFTER: u32 = 5;

/// What an acknowledged outcome survives. In both cases the ledger itself is whole after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A power cut: each group is synced.
    #[default]
    Power,
    /// The death of the process.
    Process,
}

/// How [`Ledger::open`] opens.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// What an acknowledged outcome survives.
    pub durability: Durability,
    /// Whether to create a missing ledger.
    pub create: bool,
    /// The time, in milliseconds since 1970 (UTC), for items that a killed run left.
    pub now: u64,
}

/// What [`Ledger::open`] found of a run that was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Items that were in flight and are [`State::Interrupted`] now.
    pub interrupted: u64,
    /// Items that reached the limit: [`State::Quarantined`].
    pub quarantined: u64,
}

/// The ledger of a list, open for writing and locked. Clones are handles of the same; when the last one
/// is dropped the ledger is closed, which waits for what was queued.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<LedgerShared>,
}

struct LedgerShared {
    path: Arc<Path>,
    number: u64,
    /// `None` only while it is dropped.
    orders: Option<Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    names: Arc<Names>,
    recorder: Arc<flight::Recorder>,
    recovered: Recovered,
    next_run: AtomicI64,
}

impl Ledger {
    /// Opens the ledger at `path` and takes its lock. Items that were in flight when its last owner was
    /// killed become [`State::Interrupted`], or [`State::Quarantined`].
    ///
    /// # Errors
    /// [`LedgerError::Locked`] at once, without waiting. [`LedgerError::NotOurs`], [`LedgerError::Missing`],
    /// [`LedgerError::Foreign`], [`LedgerError::NewerFormat`], [`LedgerError::Damaged`]: what is there
    /// stays as it is.
    pub fn open(path: &Path, how: &How) -> Result<Self, LedgerError> {
        open::open(path, how)
    }

    /// Removes the ledger at `path` and all its files, damaged or not, unless a process uses it. Returns what
    /// was removed.
    ///
    /// # Errors
    /// [`LedgerError::Locked`], [`LedgerError::Missing`]; [`LedgerError::Foreign`] for a database of
    /// another program, which stays.
    pub fn remove(path: &Path) -> Result<Vec<PathBuf>, LedgerError> {
        open::remove(path)
    }

    /// Where it is, with links followed.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The random number that identifies this ledger.
    pub fn number(&self) -> u64 {
        self.shared.number
    }

    /// What the last owner left, if it was killed.
    pub fn recovered(&self) -> Recovered {
        self.shared.recovered
    }

    /// Notes that an item is in flight: should the process die before the result is dropped, and before
    /// an outcome with this `attempt` or a later one was committed, the next owner finds it interrupted.
    /// `attempt` counts tries of the item in all runs, from 1; `now` is in milliseconds since 1970.
    /// Writes 32 bytes to the page cache, no sync.
    ///
    /// # Errors
    /// [`LedgerError::Io`], [`LedgerError::Full`].
    pub fn begin(&self, key: Key, attempt: u32, now: u64) -> Result<InFlight, LedgerError> {
        self.shared.recorder.begin(key, attempt, now)
    }

    /// Queues an outcome and returns at once. `done` is called when it was committed together with
    /// everything queued by then, and synced with [`Durability::Power`]; or with the error, and then
    /// nothing of that group was written. An earlier outcome of the item is replaced, and its
    /// interruptions are forgotten.
    pub fn record(&self, outcome: Outcome, done: Done) {
        self.order(LedgerWrite::Outcome(outcome), done);
    }

    /// Queues that all that `found` gives is [`State::Done`] without a try, at `at` in milliseconds since
    /// 1970, and returns at once; it is committed together, and `done` is called as by [`Ledger::record`].
    /// Earlier failed tries of these items still count; rates do not change.
    ///
    /// `found` is iterated on the ledger's thread while the items are written; nothing else
    /// is written meanwhile. After an error the rest is dropped.
    ///
    /// Keys come in random order, so that a million in few groups cost a small part of a million in many:
    /// pass some hundred thousand at once. If they are new, [`Ledger::expect_many`] comes first.
    pub fn record_found<F>(&self, found: F, at: u64, done: Done)
    where
        F: IntoIterator<Item = Found, IntoIter: Send + 'static>,
    {
        self.order(LedgerWrite::Found(Box::new(found.into_iter()), at), done);
    }

    /// Makes many outcomes of new items, and claims of new names, cheaper: 16 MiB of filters
    /// then show what is not in the ledger, without a look into tables of which every query touches
    /// another page; another 16 MiB cache more of those pages. Both until it is closed. Reads all existing keys
    /// and names. Waits for what was queued.
    ///
    /// # Errors
    /// Those of reading.
    pub fn expect_many(&self) -> Result<(), LedgerError> {
        self.wait(LedgerWrite::ManyExpected)?;
        self.shared.names.expect_many()
    }

    /// Claims a file name, given by a 64-bit hash of it, for an item. Once [`Ledger::commit_names`] has
    /// returned, or an outcome that was recorded later has been acknowledged, the name belongs to the item
    /// in every later run too. Reads one row at most; never waits for a sync.
    ///
    /// # Errors
    /// Those of reading.
    pub fn claim_name(&self, name: u64, key: &Key) -> Result<Claim, LedgerError> {
        let (claim, many) = self.shared.names.claim(name, key)?;
        if many {
            self.order(LedgerWrite::Names, Box::new(drop));
        }
        Ok(claim)
    }

    /// Waits for the commit of the names that were claimed before; at once if there is none to wait for.
    /// Whatever stops the process, the file of such a name belongs to the same item afterwards.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn commit_names(&self) -> Result<(), LedgerError> {
        match self.shared.names.is_empty() {
            true => Ok(()),
            false => self.wait(LedgerWrite::Names),
        }
    }

    /// Records that a run begins. Waits for the commit.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn begin_run(&self, run: Run) -> Result<RunId, LedgerError> {
        let id = RunId(self.shared.next_run.fetch_add(1, Ordering::Relaxed));
        self.wait(LedgerWrite::RunBegun(id, run)).map(|()| id)
    }

    /// Records that a run ended, at `at` in milliseconds since 1970. Waits for the commit, and so
    /// for everything that was recorded before.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn end_run(&self, id: RunId, at: u64) -> Result<(), LedgerError> {
        self.wait(LedgerWrite::RunEnded(id, at))
    }

    /// Commits what was queued until now soon, without waiting for more to share the commit.
    pub fn hurry(&self) {
        if let Some(thread) = &self.shared.thread {
            thread.thread().unpark();
        }
    }

    /// A connection that reads, for any thread.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, LedgerError> {
        Reader::open(self.path())
    }

    /// Commits what was queued, closes the ledger and releases the lock. Other handles get
    /// [`LedgerError::Closed`] from now on.
    ///
    /// # Errors
    /// What went wrong while the rest was written; nothing acknowledged is lost by it.
    pub fn close(self) -> Result<(), LedgerError> {
        let (send, answer) = sync_channel(1);
        self.send(Command::Close(send));
        answer.recv().unwrap_or_else(|_| Err(self.closed()))
    }

    fn wait(&self, entered: LedgerWrite) -> Result<(), LedgerError> {
        let (send, answer) = sync_channel(1);
        self.order(entered, Box::new(move |result| drop(send.send(result))));
        self.hurry();
        answer.recv().unwrap_or_else(|_| Err(self.closed()))
    }

    fn order(&self, entered: LedgerWrite, done: Done) {
        self.send(Command::Enter(entered, Reply::new(done, Arc::clone(&self.shared.path))));
    }

    fn send(&self, order: Command) {
        if let Some(orders) = &self.shared.orders {
            // To a thread that has ended: dropping the order answers it.
            let _ = orders.send(order);
        }
    }

    fn closed(&self) -> LedgerError {
        LedgerError::Closed { path: self.path().to_owned() }
    }
}

impl Drop for LedgerShared {
    fn drop(&mut self) {
        self.orders = None;
        let Some(thread) = self.thread.take() else { return };
        // A callback that holds the last handle runs on this thread.
        if thread.thread().id() != thread::current().id() {
            // It has answered every caller; after a panic they got `Closed`.
            let _ = thread.join();
        }
    }
}
