//! The thread that hands out pieces and places their results.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use super::order::Track;
use super::plan::{Piece, Plan};
use super::spool::{Outcome, Spool};
use super::worker::{End, Failure, Process, Worker};
use super::{Parallel, Size};
use crate::error::Error;
use crate::job::Core;
use crate::state::Order;

/// How long nothing may happen before commits, stops and pauses are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How a run of pieces has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// Pieces that this run has finished.
    pub pieces: u64,
    /// Records of the source that are done, by all runs.
    pub records: u64,
    /// Records among the dead letters, of all runs.
    pub failed: u64,
    /// Whether the run was stopped before the end of the source; another one continues.
    pub stopped: bool,
}

/// A run over the pieces of a source.
pub(crate) struct Run<'a, S: Plan> {
    pub(crate) core: Rc<Core>,
    pub(crate) track: Rc<Track<S>>,
    pub(crate) spool: Spool,
    pub(crate) options: &'a Parallel,
    pub(crate) letters: bool,
    /// Results that did not fit the spool, until the run ends.
    pub(crate) held: HashMap<u64, Outcome>,
}

/// Why no further piece is started.
enum Ending {
    /// The source has no more.
    Exhausted,
    Stopped,
    /// A piece failed: the first one of those that did.
    Failed(Failure),
    Error(Error),
    Panic(Box<dyn std::any::Any + Send>),
}

impl Ending {
    /// What is reported, if another one comes after this.
    fn or(self, later: Self) -> Self {
        match (self, later) {
            (Self::Exhausted | Self::Stopped, later) => later,
            // Everything before the piece that is reported is done.
            (Self::Failed(one), Self::Failed(other)) if other.offset < one.offset => {
                Self::Failed(other)
            }
            (first, _) => first,
        }
    }
}

impl<S: Plan> Run<'_, S> {
    /// Processes all pieces. What is finished counts, also if this ends in an error.
    pub(crate) fn all(mut self, work: &impl Process<S::Piece>) -> Result<(Done, Spool), Error> {
        // A source that has grown: what was its last piece ends where it did.
        let ends = self.spool.ends().chain(self.track.ends()).collect();
        self.track.plan.borrow_mut().end_at(ends);
        let worker = Worker::new(self.options, self.letters);
        let (jobs, queue) = channel();
        let (queue, (results, finished)) = (Mutex::new(queue), channel());
        let ending = thread::scope(|scope| {
            for number in 0..self.options.workers.get() {
                let (worker, queue, results) = (&worker, &queue, results.clone());
                let thread = thread::Builder::new().name(format!("piton-work-{number}"));
                let serve = move || worker.serve(queue, &results, work);
                thread.spawn_scoped(scope, serve).map_err(Error::Thread)?;
            }
            drop(results);
            let next = |wait| finished.recv_timeout(wait);
            let ending = self.coordinate(&jobs, next, &worker, work);
            if ending.is_err() {
                worker.end(0);
                work.stop();
            }
            // The workers end when the queue does.
            drop(jobs);
            ending
        })?;
        let (_, records) = self.track.position();
        let pieces = self.options.monitor.pieces.load(Relaxed);
        let (failed, stopped) = (self.track.failed(), matches!(ending, Ending::Stopped));
        match ending {
            Ending::Exhausted => self.core.exhausted.set(true),
            Ending::Stopped => self.core.commit_now()?,
            Ending::Failed(failure) => {
                self.core.commit_now()?;
                return Err(failure.into());
            }
            Ending::Error(error) => {
                self.core.commit_now()?;
                return Err(error);
            }
            Ending::Panic(payload) => {
                self.core.commit_now()?;
                std::panic::resume_unwind(payload);
            }
        }
        Ok((Done { pieces, records, failed, stopped }, self.spool))
    }

    fn coordinate(
        &mut self,
        jobs: &Sender<S::Piece>,
        next: impl Fn(Duration) -> Result<(S::Piece, End), RecvTimeoutError>,
        worker: &Worker<'_>,
        work: &impl Process<S::Piece>,
    ) -> Result<Ending, Error> {
        let monitor = &*self.options.monitor;
        let (mut in_flight, mut ending) = (0, None);
        let mut planned = self.track.position().0;
        // A few wait, so that no worker does.
        let workers = self.options.workers.get();
        let window = match self.options.size {
            // A record may be processed in no time.
            Size::Records(_) if !self.options.commit_each => workers * 4,
            _ => workers + 1,
        };
        loop {
            if monitor.is_stopped() {
                worker.end(0);
                ending.get_or_insert(Ending::Stopped);
            }
            while ending.is_none()
                && in_flight < window
                && !monitor.is_paused()
                && (in_flight == 0 || self.spool.has_room())
            {
                let piece = self.track.plan.borrow_mut().next();
                planned = piece.as_ref().ok().and_then(Option::as_ref).map_or(planned, Piece::end);
                match piece {
                    Ok(Some(piece)) if self.is_known(&piece)? => self.place_waiting()?,
                    Ok(Some(piece)) => {
                        in_flight += 1;
                        // It is received as long as this holds the queue.
                        let _ = jobs.send(piece);
                    }
                    Ok(None) => {
                        self.track.ended(planned);
                        ending = Some(Ending::Exhausted);
                    }
                    Err(error) => ending = Some(Ending::Error(error)),
                }
            }
            if in_flight == 0
                && let Some(ending) = ending
            {
                return Ok(ending);
            }
            if let Ok((piece, end)) = next(TICK) {
                in_flight -= 1;
                // What comes before a piece that failed is still done.
                let from = match &end {
                    End::Broken(_) | End::Panicked(_) => 0,
                    _ => piece.start(),
                };
                let ends = match end {
                    End::Done(outcome) => self.done(&piece, outcome)?,
                    End::Failed(failure) => Some(Ending::Failed(failure)),
                    End::Stopped => Some(Ending::Stopped),
                    End::Broken(error) => {
                        work.stop();
                        Some(Ending::Error(error))
                    }
                    End::Panicked(payload) => Some(Ending::Panic(payload)),
                };
                if let Some(ends) = ends {
                    worker.end(from);
                    ending = Some(match ending {
                        Some(before) => before.or(ends),
                        None => ends,
                    });
                }
            }
            self.core.breathe()?;
            monitor.save_if_wanted(|| self.core.commit_now())?;
            let (durable, last) = self.core.marks();
            self.spool.collect(durable, last)?;
            self.show();
        }
    }

    /// Whether an earlier run has finished this piece.
    fn is_known(&mut self, piece: &S::Piece) -> Result<bool, Error> {
        let known = match self.track.order() {
            Order::Any => self.track.is_done(piece)?,
            Order::Source => self.spool.has(piece)?,
        };
        match (known, self.track.order()) {
            (true, Order::Any) => self.track.finish(piece),
            (true, Order::Source) => self.track.keep(piece),
            (false, _) => {}
        }
        Ok(known)
    }

    /// A worker has finished a piece.
    fn done(&mut self, piece: &S::Piece, outcome: Outcome) -> Result<Option<Ending>, Error> {
        let monitor = &self.options.monitor;
        monitor.pieces.fetch_add(1, Relaxed);
        monitor.bytes.fetch_add(piece.end().saturating_sub(piece.start()), Relaxed);
        let next = piece.start() == self.track.position().0;
        match self.track.order() {
            Order::Source if !next => {
                self.track.count(0);
                let kept = self.spool.put(piece, &outcome);
                self.track.keep(piece);
                match kept {
                    Ok(file) => self.core.sync_too(file),
                    Err(error) => {
                        // A full disk must not cost a finished result: the one that all wait for may end yet.
                        self.held.insert(piece.start(), outcome);
                        return Ok(Some(Ending::Error(error)));
                    }
                }
            }
            _ => {
                self.track.count(outcome.failed);
                let track = &self.track;
                let body = match track.headed(outcome.body, piece.start()) {
                    Ok(body) => body,
                    Err(error) => return Ok(Some(Ending::Error(error))),
                };
                self.core.place(&body, &outcome.letters, || track.finish(piece))?;
                self.commit_delivered()?;
                self.place_waiting()?;
            }
        }
        let failed = self.track.failed();
        // In any order failures behind the head count, and so do the records there.
        let records = match (self.options.max_failures, self.track.order()) {
            (Some(_), Order::Any) => self.track.done(),
            _ => self.track.position().1,
        };
        let too_many = self.options.max_failures.filter(|most| most.exceeded(failed, records));
        Ok(too_many.map(|_| Ending::Error(Error::TooManyFailures { failed, records })))
    }

    /// What is finished and next in line goes to its place.
    fn place_waiting(&mut self) -> Result<(), Error> {
        while let Some(start) = self.track.next_in_line() {
            if self.track.order() == Order::Any {
                self.track.advance();
                continue;
            }
            let outcome = match self.held.remove(&start) {
                Some(outcome) => Some(outcome),
                None => self.spool.take(start)?,
            };
            let outcome = outcome.ok_or_else(|| self.spool.damaged(start))?;
            self.track.fail(outcome.failed);
            let track = &self.track;
            let body = track.headed(outcome.body, start)?;
            self.core.place(&body, &outcome.letters, || track.advance())?;
            self.commit_delivered()?;
        }
        if self.options.commit_each { self.core.commit_placed() } else { Ok(()) }
    }

    /// What a pipe has accepted cannot be cut back: so that a kill delivers one result again, and not all that waited for
    /// their turn, each has a commit.
    fn commit_delivered(&self) -> Result<(), Error> {
        match self.options.commit_each && self.core.is_stream() {
            true => self.core.commit_placed(),
            false => Ok(()),
        }
    }

    fn show(&self) {
        let monitor = &self.options.monitor;
        let (position, records) = self.track.position();
        monitor.position.store(position, Relaxed);
        monitor.records.store(records, Relaxed);
        monitor.failed.store(self.track.failed(), Relaxed);
        monitor.spooled.store(self.spool.used(), Relaxed);
        let whole = self.track.plan.borrow().whole();
        monitor.whole.store(whole.unwrap_or(0), Relaxed);
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { line, offset, records, attempts, failed } = failure;
        Self::PieceFailed {
            line,
            offset,
            records,
            attempts,
            why: failed.why,
            stderr: String::from_utf8_lossy(&failed.stderr).into_owned(),
        }
    }
}
