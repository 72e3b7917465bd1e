//! The commit point: what is done, and how it becomes durable.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_checkpoint::store::Store;
use piton_durable::fs::Fs;

use super::ticker::{Output, Shared, Ticker};
use crate::error::Error;
use crate::output::OutputFile;
use crate::state::{Phase, SourceState, State};

/// Results of done records are written when there are so many bytes of them.
const FULL: usize = 1 << 20;
/// With so many commits that are not durable, one is made so before the next.
const OUTSTANDING: u64 = 4096;
/// So too with so many bytes of them: the store keeps them all.
const OUTSTANDING_BYTES: usize = 4 << 20;
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
    /// Only when the job stops, and when a mebibyte of results has gathered.
    AtEnd,
}

/// Where a source is, as its iterator knows it.
pub(crate) trait Cursor {
    /// So many records are done.
    fn records(&self) -> u64;
    /// Everything up to here is done.
    fn state(&self) -> Result<SourceState, Error>;
}

/// What job, iterator and output share.
pub(crate) struct Core {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) output: RefCell<Option<OutputFile>>,
    pub(crate) cursor: RefCell<Option<Rc<dyn Cursor>>>,
    /// Results: first those of done records, then those of the current one.
    pending: RefCell<Vec<u8>>,
    done_len: Cell<usize>,
    /// Whether something was written for the current record.
    written: Cell<bool>,
    /// The number of the current record, from 1; 0: there is none.
    current: Cell<u64>,
    pub(crate) exhausted: Cell<bool>,
    life: Cell<Life>,
    shared: Arc<Shared>,
    ticker: RefCell<Option<Ticker>>,
    tick: RefCell<Tick>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nothing is to be committed yet.
    New,
    Running,
    /// Finished, now or before.
    Finished,
    /// After an error: nothing more is written.
    Over,
}

/// What the last tick saw.
struct Tick {
    at: Instant,
    done: u64,
    /// Time that syncs took in the loop since then.
    synced: Duration,
    committed_at: u64,
    synced_at: u64,
    /// Commits since the last sync in the loop.
    outstanding: u64,
    outstanding_bytes: usize,
}

impl Core {
    pub(crate) fn new(fs: Arc<dyn Fs>, store: Arc<dyn Store>, checkpoints: Checkpoints) -> Self {
        let tick = Tick {
            at: Instant::now(),
            done: 0,
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
            cursor: RefCell::new(None),
            pending: RefCell::new(Vec::new()),
            done_len: Cell::new(0),
            written: Cell::new(false),
            current: Cell::new(0),
            exhausted: Cell::new(false),
            life: Cell::new(Life::New),
            shared: Shared::new(),
            ticker: RefCell::new(None),
            tick: RefCell::new(tick),
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
            Checkpoints::Auto => {
                let ticker = Ticker::start(&self.shared, self.synced_output(), &self.store)?;
                *self.ticker.borrow_mut() = Some(ticker);
            }
            Checkpoints::Records { .. } => self.shared.set_due(true),
            Checkpoints::AtEnd => {}
        }
        let done = self.records();
        let mut tick = self.tick.borrow_mut();
        (tick.at, tick.done, tick.committed_at, tick.synced_at) =
            (Instant::now(), done, done, done);
        Ok(())
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
    fn tick(&self) -> Result<(), Error> {
        self.current.set(0);
        self.guarded(|| self.tick_now())
    }

    fn tick_now(&self) -> Result<(), Error> {
        if let Some(error) = self.shared.take_failure() {
            return Err(error);
        }
        match self.checkpoints {
            Checkpoints::Records { commit, sync } => self.tick_by_records(commit, sync),
            Checkpoints::AtEnd => self.commit(),
            Checkpoints::Auto if self.shared.is_due() => self.tick_by_time(),
            // Only the buffer is full.
            Checkpoints::Auto => self.commit(),
        }
    }

    /// Records that are done.
    fn records(&self) -> u64 {
        self.cursor.borrow().as_ref().map_or(0, |cursor| cursor.records())
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
        let done = self.records();
        let slow = {
            let mut tick = self.tick.borrow_mut();
            let worked = (now - tick.at).saturating_sub(tick.synced).as_secs_f64();
            let results = (done - tick.done) as f64;
            (tick.at, tick.done, tick.synced) = (now, done, Duration::ZERO);
            results < SLOW * worked
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

    fn commit_as(&self, phase: Phase) -> Result<(), Error> {
        let cursor = self.cursor.borrow().clone();
        let Some(cursor) = cursor else { return Ok(()) };
        let many = {
            let tick = self.tick.borrow();
            tick.outstanding >= OUTSTANDING || tick.outstanding_bytes >= OUTSTANDING_BYTES
        };
        if many {
            self.sync()?;
        }
        let source = cursor.state()?;
        let mut pending = self.pending.borrow_mut();
        let mut output = self.output.borrow_mut();
        let bytes = pending.get(..self.done_len.get()).unwrap_or_default();
        let announced = output.as_ref().map(|output| output.announce(bytes));
        let state = State::new(phase, source, announced.clone());
        // First the announcement: a run that was fenced off writes nothing, and after a kill we know our own bytes.
        let state = state.encode()?;
        let mark = self.store.commit(&state)?;
        if let (Some(output), Some(announced)) = (output.as_mut(), announced) {
            output.write(bytes, announced.committed)?;
        }
        pending.drain(..self.done_len.get());
        self.done_len.set(0);
        self.shared.wrote(mark);
        let mut tick = self.tick.borrow_mut();
        tick.outstanding += 1;
        tick.outstanding_bytes += state.len();
        Ok(())
    }

    /// Makes what was committed survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.shared.sync(self.synced_output().as_ref(), &*self.store)?;
        let mut tick = self.tick.borrow_mut();
        (tick.outstanding, tick.outstanding_bytes) = (0, 0);
        Ok(())
    }

    fn synced_output(&self) -> Option<Output> {
        let output = self.output.borrow();
        output
            .as_ref()
            .map(|output| Output { file: output.file(), path: PathBuf::from(output.live()) })
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

    /// The last commit: everything is done, and durable. Then the output gets its name.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.life.get() {
            Life::Finished => return Ok(()),
            Life::Over => return Err(Error::Over),
            Life::New => return Err(Error::NotExhausted),
            Life::Running if !self.exhausted.get() => return Err(Error::NotExhausted),
            Life::Running => {}
        }
        // Joins the threads.
        drop(self.ticker.borrow_mut().take());
        self.guarded(|| {
            if let Some(error) = self.shared.take_failure() {
                return Err(error);
            }
            self.commit()?;
            if let Some(output) = &*self.output.borrow() {
                output.settle(&*self.fs)?;
            }
            self.commit_as(Phase::Finished)?;
            self.sync()?;
            if let Some(output) = &mut *self.output.borrow_mut() {
                output.name()?;
            }
            Ok(())
        })?;
        self.life.set(Life::Finished);
        Ok(())
    }

    /// After an error nothing more is written.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
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
