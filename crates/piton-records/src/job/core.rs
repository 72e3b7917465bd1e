//! The commit point: what is done, and how it becomes durable.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_checkpoint::store::{Mark, Store};
use piton_durable::fs::Fs;

use super::ticker::{Cadence, Shared, Synced, Ticker};
use crate::body::Body;
use crate::error::Error;
use crate::output::OutputFile;
use crate::parallel::Monitor;
use crate::state::{About, Phase, SourceState, State, WorkState};
use crate::stream::Stream;

/// Results of done records are written when there are so many bytes of them.
const FULL: usize = 1 << 20;
/// With so many commits that are not durable, one is made so before the next.
const OUTSTANDING: u64 = 4096;
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
    pending: RefCell<Vec<u8>>,
    done_len: Cell<usize>,
    pending_letters: RefCell<Vec<u8>>,
    /// Whether something was written for the current record.
    written: Cell<bool>,
    /// The number of the current record, from 1; 0: there is none.
    current: Cell<u64>,
    pub(crate) exhausted: Cell<bool>,
    life: Cell<Life>,
    shared: Arc<Shared>,
    ticker: RefCell<Option<Ticker>>,
    tick: RefCell<Tick>,
    monitor: RefCell<Option<Arc<Monitor>>>,
    /// What every commit repeats.
    pub(crate) about: RefCell<About>,
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
    results: u64,
    /// Time that syncs took in the loop since then.
    synced: Duration,
    committed_at: u64,
    synced_at: u64,
    /// Commits since the last sync in the loop.
    outstanding: u64,
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
            current: Cell::new(0),
            exhausted: Cell::new(false),
            life: Cell::new(Life::New),
            shared: Shared::new(),
            ticker: RefCell::new(None),
            tick: RefCell::new(tick),
            monitor: RefCell::new(None),
            about: RefCell::default(),
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
    fn tick(&self) -> Result<(), Error> {
        self.current.set(0);
        self.guarded(|| self.tick_now())
    }

    /// Hands what is done to the pipe, and leaves the commit to the end.
    fn deliver(&self) -> Result<bool, Error> {
        let (mut pending, mut output) = (self.pending.borrow_mut(), self.output.borrow_mut());
        let Some(Sink::Stream(stream)) = &mut *output else { return Ok(false) };
        stream.write(pending.get(..self.done_len.get()).unwrap_or_default(), None)?;
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
            Checkpoints::AtEnd if self.deliver()? => Ok(()),
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
    fn records(&self) -> u64 {
        self.cursor.borrow().as_ref().map_or(0, |cursor| cursor.records())
    }

    fn results(&self) -> u64 {
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

    fn commit_as(&self, phase: Phase) -> Result<(), Error> {
        self.commit_with(phase, None)
    }

    /// Commits what is done; `body` follows what is pending.
    fn commit_with(&self, phase: Phase, body: Option<&Body>) -> Result<(), Error> {
        let cursor = self.cursor.borrow().clone();
        let Some(cursor) = cursor else { return Ok(()) };
        if self.tick.borrow().outstanding >= OUTSTANDING {
            self.sync()?;
        }
        let (source, work) = (cursor.state()?, cursor.work());
        let mut pending = self.pending.borrow_mut();
        let mut pending_letters = self.pending_letters.borrow_mut();
        let (mut output, mut letters) = (self.output.borrow_mut(), self.letters.borrow_mut());
        let bytes = pending.get(..self.done_len.get()).unwrap_or_default();
        let announced = match &mut *output {
            Some(Sink::File(output)) => Some(output.announce(bytes, body)?),
            // What a pipe has accepted cannot be taken back.
            Some(Sink::Stream(stream)) => Some(stream.write(bytes, body)?),
            None => None,
        };
        let of_letters = match &*letters {
            Some(letters) => Some(letters.announce(&pending_letters, None)?),
            None => None,
        };
        let state = State::new(
            phase,
            source,
            announced.clone(),
            of_letters.clone(),
            work,
            self.about.borrow().clone(),
        );
        // First the announcement: a run that was fenced off writes nothing, and after a kill we know our own bytes.
        let mark = self.store.commit(&state.encode()?)?;
        if let (Some(Sink::File(output)), Some(announced)) = (output.as_mut(), announced) {
            output.write(bytes, body, announced.committed)?;
        }
        if let (Some(letters), Some(announced)) = (letters.as_mut(), of_letters) {
            letters.write(&pending_letters, None, announced.committed)?;
        }
        pending.drain(..self.done_len.get());
        pending_letters.clear();
        self.done_len.set(0);
        self.shared.wrote(mark);
        if let Some(monitor) = &*self.monitor.borrow() {
            monitor.committed();
        }
        self.tick.borrow_mut().outstanding += 1;
        Ok(())
    }

    /// The result of a piece, which is next in the output, and the dead letters of its records. `advance` moves the cursor
    /// behind it. They count with the next commit.
    pub(crate) fn place(
        &self,
        body: &Body,
        letters: &[u8],
        advance: impl FnOnce(),
    ) -> Result<(), Error> {
        self.guarded(|| {
            advance();
            self.pending_letters.borrow_mut().extend_from_slice(letters);
            if body.len() >= FULL as u64 {
                // It goes from where it is into the output, behind what is pending.
                return self.commit_with(Phase::Running, Some(body));
            }
            let mut pending = self.pending.borrow_mut();
            let append = |bytes: &[u8]| {
                pending.extend_from_slice(bytes);
                Ok(())
            };
            body.for_each(append).map_err(Error::io("read", Path::new("the spool")))?;
            let (len, letters) = (pending.len(), self.pending_letters.borrow().len());
            drop(pending);
            self.done_len.set(len);
            if len >= FULL || letters >= FULL { self.commit() } else { Ok(()) }
        })
    }

    /// A commit or a sync may be due, although no record is done.
    pub(crate) fn breathe(&self) -> Result<(), Error> {
        self.check()?;
        if self.shared.is_due() { self.tick() } else { Ok(()) }
    }

    /// Commits what is done, if anything is: it survives a kill.
    pub(crate) fn commit_placed(&self) -> Result<(), Error> {
        self.guarded(|| self.commit())
    }

    /// This file has to be synced before the next sync of the store.
    pub(crate) fn sync_too(&self, output: Synced) {
        self.shared.sync_too(output);
    }

    /// The last commit that survives a power cut, and the last one at all.
    pub(crate) fn marks(&self) -> (Option<Mark>, Option<Mark>) {
        self.shared.marks()
    }

    /// Makes what was committed survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.shared.sync(&self.synced(), &*self.store)?;
        self.tick.borrow_mut().outstanding = 0;
        Ok(())
    }

    /// The files that are synced before the store.
    fn synced(&self) -> Vec<Synced> {
        let (output, letters) = (self.output.borrow(), self.letters.borrow());
        let output = match &*output {
            Some(Sink::File(output)) => Some(&**output),
            _ => None,
        };
        let files = output.into_iter().chain(letters.as_ref());
        files.map(|file| Synced { file: file.file(), path: PathBuf::from(file.live()) }).collect()
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
            if let Some(Sink::File(output)) = &*self.output.borrow() {
                output.settle(&*self.fs)?;
            }
            self.commit_as(Phase::Finished)?;
            self.sync()?;
            if let Some(Sink::File(output)) = &mut *self.output.borrow_mut() {
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
