//! What a worker does with a piece: attempts, pauses, halves, dead letters.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Parallel;
use super::letters::Letter;
use super::limits::Pace;
use super::plan::Piece;
use super::spool::Outcome;
use crate::body::Body;
use crate::error::Error;

/// The longest pause between two attempts, unless the first one is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How an attempt has ended.
pub enum Attempt {
    /// With this result.
    Done(Body),
    /// It failed.
    Failed(Failed),
    /// It was stopped, and counts as if it had never begun.
    Stopped,
    /// The run cannot continue.
    Broken(Error),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why, for people.
    pub why: String,
    /// What a command wrote to standard error last.
    pub stderr: Vec<u8>,
    /// Whether another attempt may succeed.
    pub transient: bool,
}

impl Failed {
    /// Another attempt would fail too.
    pub fn permanent(why: impl Into<String>) -> Self {
        Self { why: why.into(), stderr: Vec::new(), transient: false }
    }

    /// Another attempt may succeed.
    pub fn transient(why: impl Into<String>) -> Self {
        Self { transient: true, ..Self::permanent(why) }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<&str> for Failed {
    fn from(why: &str) -> Self {
        Self::permanent(why)
    }
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::permanent(why)
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self {
            transient: piton_durable::held::may_pass(&error),
            ..Self::permanent(error.to_string())
        }
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Failed {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::permanent(error.to_string())
    }
}

/// What is done with each piece. Several threads do it at once.
pub(crate) trait Process<P>: Sync {
    fn process(&self, piece: &P, worker: &Worker<'_>) -> End;
    /// The run ends by an error: what can be stopped is stopped.
    fn stop(&self) {}
}

/// How a piece has ended.
pub(crate) enum End {
    Done(Outcome),
    /// It failed, and there is no place for dead letters.
    Failed(Failure),
    Stopped,
    Broken(Error),
    Panicked(Box<dyn std::any::Any + Send>),
}

/// A piece that failed.
pub(crate) struct Failure {
    pub(crate) line: u64,
    pub(crate) offset: u64,
    pub(crate) records: u64,
    pub(crate) attempts: u32,
    pub(crate) failed: Failed,
}

/// What all workers of a run share.
pub(crate) struct Worker<'a> {
    options: &'a Parallel,
    pace: Option<Pace>,
    /// Whether what fails goes into a file of dead letters.
    pub(crate) letters: bool,
    /// Pieces that begin here or behind it are not begun any more.
    over: AtomicU64,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(options: &'a Parallel, letters: bool) -> Self {
        let over = AtomicU64::new(u64::MAX);
        Self { options, pace: options.rate.map(Pace::new), letters, over }
    }

    /// Nothing more is begun from here on: 0 is all of it. What comes before a piece that failed is still finished.
    pub(crate) fn end(&self, from: u64) {
        if self.over.fetch_min(from, Ordering::Relaxed) > from {
            self.options.monitor.wake();
        }
    }

    /// Whether the piece that begins here is not to be begun any more, nor tried again.
    fn is_over(&self, at: u64) -> bool {
        self.over.load(Ordering::Relaxed) <= at
    }

    /// Takes pieces from the queue until it ends.
    pub(crate) fn serve<P: Piece>(
        &self,
        queue: &Mutex<Receiver<P>>,
        results: &Sender<(P, End)>,
        work: &impl Process<P>,
    ) {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(piece) = next else { return };
            let running = &self.options.monitor.running;
            running.fetch_add(1, Ordering::Relaxed);
            let process = AssertUnwindSafe(|| {
                match self.is_over(piece.start()) || self.options.monitor.is_stopped() {
                    true => End::Stopped,
                    false => work.process(&piece, self),
                }
            });
            let end = catch_unwind(process).unwrap_or_else(End::Panicked);
            running.fetch_sub(1, Ordering::Relaxed);
            if results.send((piece, end)).is_err() {
                return;
            }
        }
    }

    /// Waits so long for the piece that begins here; `false`, at once, if it is over.
    fn sleep(&self, at: u64, time: Duration) -> bool {
        self.options.monitor.sleep(time, || self.is_over(at))
    }

    /// Attempts at the piece that begins here, until one succeeds, fails for a reason that does not pass, or is the last one.
    pub(crate) fn attempts(
        &self,
        at: u64,
        mut attempt: impl FnMut(u32) -> Attempt,
    ) -> Result<Body, Gone> {
        let monitor = &self.options.monitor;
        let mut pause = self.options.pause;
        for number in 1.. {
            if let Some(pace) = &self.pace
                && !self.sleep(at, pace.wait())
            {
                return Err(Gone::Stopped);
            }
            monitor.attempts.fetch_add(1, Ordering::Relaxed);
            match attempt(number) {
                Attempt::Done(body) => return Ok(body),
                Attempt::Stopped => return Err(Gone::Stopped),
                Attempt::Broken(error) => return Err(Gone::Broken(error)),
                // What stops the run may have made it fail.
                Attempt::Failed(_) if monitor.is_stopped() => return Err(Gone::Stopped),
                Attempt::Failed(failed) if failed.transient && number <= self.options.retries => {
                    if !self.sleep(at, pause) {
                        return Err(Gone::Stopped);
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE.max(self.options.pause));
                }
                Attempt::Failed(failed) => return Err(Gone::Failed(failed, number)),
            }
        }
        Err(Gone::Stopped)
    }

    /// The whole way of a piece: attempts, halves, dead letters.
    pub(crate) fn finish<P: Piece>(
        &self,
        piece: &P,
        attempt: &mut impl FnMut(&P, u32) -> Attempt,
        letter: &impl Fn(&P, &Failed, u32) -> Letter,
    ) -> End {
        let gone = match piece.refused() {
            Some(why) => Err(Gone::Failed(Failed::permanent(why), 0)),
            None => self.attempts(piece.start(), |number| attempt(piece, number)),
        };
        let (failed, attempts) = match gone {
            Ok(body) => return End::Done(Outcome { body, ..Outcome::default() }),
            Err(Gone::Stopped) => return End::Stopped,
            Err(Gone::Broken(error)) => return End::Broken(error),
            Err(Gone::Failed(failed, attempts)) => (failed, attempts),
        };
        let halves = piece.halves().filter(|_| self.options.split_failed);
        if let Some((first, second)) = halves {
            let mut outcome = match self.finish(&first, attempt, letter) {
                End::Done(outcome) => outcome,
                end => return end,
            };
            return match self.finish(&second, attempt, letter) {
                End::Done(rest) => {
                    outcome.append(rest);
                    End::Done(outcome)
                }
                end => end,
            };
        }
        if self.letters {
            let letters = letter(piece, &failed, attempts).line_of();
            let outcome = Outcome { body: Body::default(), letters, failed: piece.records() };
            return End::Done(outcome);
        }
        End::Failed(Failure {
            line: piece.line(),
            offset: piece.start(),
            records: piece.records(),
            attempts,
            failed,
        })
    }
}

impl Outcome {
    pub(crate) fn append(&mut self, other: Self) {
        self.body.append(other.body);
        self.letters.extend_from_slice(&other.letters);
        self.failed += other.failed;
    }

    pub(crate) fn of_letter(piece: &impl Piece, failed: &Failed, attempts: u32) -> Self {
        let letters = piece.letter(failed, attempts).line_of();
        Self { body: Body::default(), letters, failed: piece.records() }
    }
}

/// Why a piece has no result.
pub(crate) enum Gone {
    Failed(Failed, u32),
    Stopped,
    Broken(Error),
}
