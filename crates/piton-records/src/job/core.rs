//! The commit point: what is done, and how it becomes durable.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_checkpoint::store::Store;
use piton_durable::fs::Fs;

use super::ticker::{Cadence, Shared, Ticker};
use crate::body::Body;
use crate::error::Error;
use crate::output::OutputFile;
use crate::parallel::Monitor;
use crate::state::{Phase, SourceState, WorkState};
use crate::stream::Stream;

/// Results of done records are written when there are so many bytes of them.
pub(super) const FULL: usize = 1 << 20;
/// With so many commits that are not durable, one is made so before the next.
pub(super) const OUTSTANDING: u64 = 4096;
/// So too with so many bytes of them: the store keeps them all.
pub(super) const OUTSTANDING_BYTES: usize = 4 << 20;
/// Work with fewer results a second than this is slow: each result is worth a sync.
const SLOW: f64 = 100.0;

/// How often checkpoints are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checkpoints {
    /// Ten times a second what is done survives a kill, and each second a power cut, or less often if syncs would take
    /// more than 2 % of the time. Of slow work, under 100 results a second, each result survives both.
    #[default]
    Auto,
    /// By numbers of records: what is done survives a kill after each `commit` of them, and a power cut after each `sync`.
    Records {
        /// Records between commits.
        commit: u64,
        /// Records between syncs.
        sync: u64,
    },
    /// After this time what is done survives a kill and a power cut.
    Time(Duration),
    /// Only when the job stops, and when a mebibyte of results has gathered for a file.
    AtEnd,
}

/// Where a source is, as its iterator knows it.
pub(crate) trait Cursor {
    /// So many records are done.
    fn records(&self) -> u64;
    /// Everything up to here is done.
    fn state(&self) -> Result<SourceState, Error>;
    /// Results so far: of records, or of pieces.
    fn results(&self) -> u64 {
        self.records()
    }
    /// How the records are processed, if that is done in pieces.
    fn work(&self) -> Option<WorkState> {
        None
    }
}

/// Where results go.
pub(crate) enum Sink {
    /// Into a file, which is cut back to what counts.
    File(Box<OutputFile>),
    /// Into a pipe: what it has accepted counts.
    Stream(Stream),
}

/// What job, iterator and output share.
pub(crate) struct Core {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) output: RefCell<Option<Sink>>,
    pub(crate) letters: RefCell<Option<OutputFile>>,
    pub(crate) cursor: RefCell<Option<Rc<dyn Cursor>>>,
    /// Results: first those of done records, then those of the current one.
    pub(super) pending: RefCell<Vec<u8>>,
    pub(super) done_len: Cell<usize>,
    pub(super) pending_letters: RefCell<Vec<u8>>,
    /// Whether something was written for the current record.
    pub(super) written: Cell<bool>,
    /// Whether the result of a piece was placed since the last commit.
    pub(super) placed: Cell<bool>,
    /// The number of the current record, from 1; 0: there is none.
    pub(super) current: Cell<u64>,
    pub(crate) exhausted: Cell<bool>,
    pub(super) life: Cell<Life>,
    pub(super) shared: Arc<Shared>,
    pub(super) ticker: RefCell<Option<Ticker>>,
    pub(super) tick: RefCell<Tick>,
    pub(super) monitor: RefCell<Option<Arc<Monitor>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Nothing is to be committed yet.
    New,
    Running,
    /// Finished, now or before.
    Finished,
    /// After an error: nothing more is written.
    Over,
}

/// What the last tick saw.
pub(super) struct Tick {
    at: Instant,
    results: u64,
    /// Time that syncs took in the loop since then.
    synced: Duration,
    committed_at: u64,
    synced_at: u64,
    /// Commits since the last sync in the loop.
    pub(super) outstanding: u64,
    pub(super) outstanding_bytes: usize,
}

impl Core {
    pub(crate) fn new(fs: Arc<dyn Fs>, store: Arc<dyn Store>, checkpoints: Checkpoints) -> Self {
        let tick = Tick {
            at: Instant::now(),
            results: 0,
            synced: Duration::ZERO,
            committed_at: 0,
            synced_at: 0,
            outstanding: 0,
            outstanding_bytes: 0,
        };
        Self {
            fs,
            store,
            checkpoints,
            output: RefCell::new(None),
            letters: RefCell::new(None),
            cursor: RefCell::new(None),
            pending: RefCell::new(Vec::new()),
            done_len: Cell::new(0),
            pending_letters: RefCell::new(Vec::new()),
            written: Cell::new(false),
            placed: Cell::new(false),
            current: Cell::new(0),
            exhausted: Cell::new(false),
            life: Cell::new(Life::New),
            shared: Shared::new(),
            ticker: RefCell::new(None),
            tick: RefCell::new(tick),
            monitor: RefCell::new(None),
        }
    }

    /// The source is open: from now on there is something to commit. The first commit is durable before any output.
    pub(crate) fn start(&self, cursor: Rc<dyn Cursor>) -> Result<(), Error> {
        *self.cursor.borrow_mut() = Some(cursor);
        self.life.set(Life::Running);
        self.guarded(|| {
            self.commit_as(Phase::Running)?;
            self.sync()
        })?;
        match self.checkpoints {
            Checkpoints::Auto | Checkpoints::Time(_) => {
                let pace = match self.checkpoints {
                    Checkpoints::Time(every) => Cadence::every(every),
                    _ => Cadence::AUTO,
                };
                let ticker = Ticker::start(&self.shared, self.synced(), &self.store, pace)?;
                *self.ticker.borrow_mut() = Some(ticker);
            }
            Checkpoints::Records { .. } => self.shared.set_due(true),
            Checkpoints::AtEnd => {}
        }
        let (done, results) = (self.records(), self.results());
        let mut tick = self.tick.borrow_mut();
        (tick.at, tick.results, tick.committed_at, tick.synced_at) =
            (Instant::now(), results, done, done);
        Ok(())
    }

    /// This is told of each commit.
    pub(crate) fn watch(&self, monitor: Arc<Monitor>) {
        *self.monitor.borrow_mut() = Some(monitor);
    }

    pub(crate) fn set_finished(&self) {
        self.life.set(Life::Finished);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.life.get() == Life::Finished
    }

    /// Whether records may still be read and written.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.life.get() == Life::Over { Err(Error::Over) } else { Ok(()) }
    }

    /// This record is the current one now.
    #[inline]
    pub(crate) fn begin(&self, number: u64) {
        self.current.set(number);
    }

    /// Nothing more comes of the current record: it is undone.
    pub(crate) fn abandon(&self) {
        self.current.set(0);
        self.written.set(false);
        self.pending.borrow_mut().truncate(self.done_len.get());
    }

    /// The current record is done, with the results that were written for it. The cursor says so already. What comes next
    /// begins: until then results for this one must not be written.
    #[inline]
    pub(crate) fn done(&self) -> Result<(), Error> {
        let mut full = false;
        if self.written.replace(false) {
            let len = self.pending.borrow().len();
            self.done_len.set(len);
            full = len >= FULL;
        }
        if full || self.shared.is_due() { self.tick() } else { Ok(()) }
    }

    #[inline]
    pub(crate) fn write(&self, number: u64, bytes: &[u8], end: &[u8]) -> Result<(), Error> {
        if self.current.get() != number || number == 0 {
            self.check()?;
            return Err(Error::NotCurrent { written: number });
        }
        self.written.set(true);
        let mut pending = self.pending.borrow_mut();
        pending.extend_from_slice(bytes);
        pending.extend_from_slice(end);
        Ok(())
    }

    /// A commit may be due.
    #[cold]
    pub(super) fn tick(&self) -> Result<(), Error> {
        self.current.set(0);
        self.guarded(|| self.tick_now())
    }

    /// Hands what is done, and `body` behind it, to the pipe, and leaves the commit to the end. `false`: it is no pipe.
    pub(super) fn deliver(&self, body: Option<&Body>) -> Result<bool, Error> {
        let (mut pending, mut output) = (self.pending.borrow_mut(), self.output.borrow_mut());
        let Some(Sink::Stream(stream)) = &mut *output else { return Ok(false) };
        stream.write(pending.get(..self.done_len.get()).unwrap_or_default(), body)?;
        pending.drain(..self.done_len.get());
        self.done_len.set(0);
        Ok(true)
    }

    fn tick_now(&self) -> Result<(), Error> {
        if let Some(error) = self.shared.take_failure() {
            return Err(error);
        }
        match self.checkpoints {
            Checkpoints::Records { commit, sync } => self.tick_by_records(commit, sync),
            Checkpoints::AtEnd if self.deliver(None)? => Ok(()),
            Checkpoints::AtEnd => self.commit(),
            Checkpoints::Auto if self.shared.is_due() => self.tick_by_time(),
            // Or only the buffer is full.
            Checkpoints::Auto | Checkpoints::Time(_) => {
                self.shared.set_due(false);
                self.commit()
            }
        }
    }

    /// Records that are done.
    pub(super) fn records(&self) -> u64 {
        self.cursor.borrow().as_ref().map_or(0, |cursor| cursor.records())
    }

    pub(super) fn results(&self) -> u64 {
        self.cursor.borrow().as_ref().map_or(0, |cursor| cursor.results())
    }

    fn tick_by_records(&self, commit: u64, sync: u64) -> Result<(), Error> {
        let done = self.records();
        let (committed_at, synced_at) = {
            let tick = self.tick.borrow();
            (tick.committed_at, tick.synced_at)
        };
        let syncs = done - synced_at >= sync;
        if syncs || done - committed_at >= commit || self.done_len.get() >= FULL {
            self.commit()?;
            self.tick.borrow_mut().committed_at = done;
        }
        if syncs {
            self.sync()?;
            self.tick.borrow_mut().synced_at = done;
        }
        Ok(())
    }

    fn tick_by_time(&self) -> Result<(), Error> {
        self.shared.set_due(false);
        let now = Instant::now();
        let results = self.results();
        let slow = {
            let mut tick = self.tick.borrow_mut();
            if results == tick.results {
                return Ok(());
            }
            let worked = (now - tick.at).saturating_sub(tick.synced).as_secs_f64();
            let new = (results - tick.results) as f64;
            (tick.at, tick.results, tick.synced) = (now, results, Duration::ZERO);
            new < SLOW * worked
        };
        self.commit()?;
        if slow {
            let began = Instant::now();
            self.sync()?;
            self.tick.borrow_mut().synced = began.elapsed();
            // The next result too, unless it comes fast.
            self.shared.set_due(true);
        }
        Ok(())
    }

    /// Commits what is done: it survives a kill.
    pub(crate) fn commit(&self) -> Result<(), Error> {
        self.commit_as(Phase::Running)
    }

    /// Commits and syncs what is done.
    pub(crate) fn commit_now(&self) -> Result<(), Error> {
        match self.life.get() {
            Life::New | Life::Finished => Ok(()),
            Life::Over => Err(Error::Over),
            Life::Running => self.guarded(|| {
                self.commit()?;
                self.sync()
            }),
        }
    }

    /// After an error nothing more is written.
    pub(super) fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let result = work();
        if result.is_err() {
            self.life.set(Life::Over);
        }
        result
    }
}

/// A job that is dropped keeps what is done.
impl Drop for Core {
    fn drop(&mut self) {
        drop(self.ticker.borrow_mut().take());
        // Nobody can be told of an error here; what is not kept is done again by the next run.
        let _ = self.commit_now();
    }
}
