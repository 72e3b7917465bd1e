//! The thread that owns the ledger: it gathers what has queued up, commits it as one group, and tells
//! each caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::error::LedgerError;
use super::flight::Recorder;
use super::names::Names;
use super::writer::{Entered, Writer};

/// So much is committed at once at most.
const GROUP: usize = 4_096;
/// From one commit to the next, unless somebody waits: keys come in random order, so that a commit of
/// a few outcomes writes as many pages as one of many.
const PACE: Duration = Duration::from_millis(10);

/// Is told, on the ledger's thread, when an outcome has been committed, or why it has not. Be quick: the
/// next commit waits.
pub type Done = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// What is sent to the thread.
pub(super) enum Order {
    Enter(Entered, Answer),
    Close(SyncSender<Result<(), LedgerError>>),
}

/// Tells its caller exactly once, also when the thread has ended and nobody is left to do it.
pub(super) struct Answer {
    done: Option<Done>,
    ledger: Arc<Path>,
}

impl Answer {
    pub(super) fn new(done: Done, ledger: Arc<Path>) -> Self {
        Self { done: Some(done), ledger }
    }

    fn tell(mut self, result: Result<(), LedgerError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(LedgerError::Closed { path: PathBuf::from(&*self.ledger) }));
        }
    }
}

/// What the thread works with.
pub(super) struct Owner {
    pub(super) writer: Writer,
    pub(super) names: Arc<Names>,
    pub(super) recorder: Arc<Recorder>,
    /// Set by a failed sync (G7): said again to whoever comes.
    pub(super) poison: Option<LedgerError>,
}

impl Owner {
    /// Until all handles are gone or one of them closes the ledger.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut closer = None;
        let mut last: Option<Instant> = None;
        while closer.is_none() {
            let Ok(first) = orders.recv() else { break };
            if let (Some(last), Order::Enter(..)) = (last, &first) {
                // Whoever cannot wait unparks this thread; too early at times does no harm.
                std::thread::park_timeout(PACE.saturating_sub(last.elapsed()));
            }
            last = Some(Instant::now());
            let (mut group, mut answers) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(orders.try_iter()) {
                match order {
                    Order::Enter(entered, answer) => {
                        group.push(entered);
                        answers.push(answer);
                    }
                    Order::Close(to) => closer = Some(to),
                }
                if group.len() >= GROUP || closer.is_some() {
                    break;
                }
            }
            self.commit(group, answers);
        }
        let ended = self.end();
        if let Some(closer) = closer {
            // Whoever closes waits for this; if its thread died meanwhile, nobody is left to tell.
            let _ = closer.send(ended);
        }
    }

    fn commit(&mut self, group: Vec<Entered>, answers: Vec<Answer>) {
        let result = self.write(group);
        for answer in answers {
            answer.tell(result.clone());
        }
        if self.poison.is_none()
            && let Err(error) = self.writer.checkpoint_if_due()
        {
            // Any other error leaves all of it in the WAL, for the next attempt.
            self.note(&error);
        }
    }

    fn write(&mut self, group: Vec<Entered>) -> Result<(), LedgerError> {
        if let Some(poison) = &self.poison {
            return Err(poison.clone());
        }
        if group.is_empty() && self.names.is_empty() {
            return Ok(());
        }
        let written = self.writer.write(group, &self.names);
        written.inspect_err(|error| self.note(error))?;
        self.names.committed();
        Ok(())
    }

    fn note(&mut self, error: &LedgerError) {
        if matches!(error, LedgerError::Sync { .. }) {
            self.poison.get_or_insert_with(|| error.clone());
        }
    }

    /// After a failed sync nothing more is written, not even what is in the WAL: the next owner writes
    /// that again first.
    fn end(mut self) -> Result<(), LedgerError> {
        let written = self.write(Vec::new());
        self.names.close();
        let closed = match &self.poison {
            None => self.writer.close(),
            Some(_) => Ok(()),
        };
        let ended = self.recorder.end();
        written.and(closed).and(ended)
    }
}
