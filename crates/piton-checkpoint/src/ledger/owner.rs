//! The thread that owns the ledger: it collects what is queued, commits it as one group, and answers each
//! caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::error::LedgerError;
use super::flight::Recorder;
use super::names::Names;
use super::writer::{LedgerWrite, Writer};

/// At most this much is committed at once.
const GROUP: usize = 4_096;
/// From one commit to the next, unless somebody waits: keys come in random order, so that a commit of
/// a few outcomes writes as many pages as one of many.
const PACE: Duration = Duration::from_millis(10);

/// Called on the ledger's thread when an outcome has been committed, or with the error. Be quick: the
/// next commit waits.
pub type Done = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// What is sent to the thread.
pub(super) enum Command {
    Enter(LedgerWrite, Reply),
    Close(SyncSender<Result<(), LedgerError>>),
}

/// Answers its caller exactly once, even if the thread has ended.
pub(super) struct Reply {
    done: Option<Done>,
    ledger: Arc<Path>,
}

impl Reply {
    pub(super) fn new(done: Done, ledger: Arc<Path>) -> Self {
        Self { done: Some(done), ledger }
    }

    fn send(mut self, result: Result<(), LedgerError>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(LedgerError::Closed { path: PathBuf::from(&*self.ledger) }));
        }
    }
}

/// What the thread works with.
pub(super) struct LedgerThread {
    pub(super) writer: Writer,
    pub(super) names: Arc<Names>,
    pub(super) recorder: Arc<Recorder>,
    /// Set by a failed sync (G7): the answer to every later caller.
    pub(super) poison: Option<LedgerError>,
}

impl LedgerThread {
    /// Runs until all handles are dropped or one of them closes the ledger.
    pub(super) fn run(mut self, orders: &Receiver<Command>) {
        let mut closer = None;
        let mut last: Option<Instant> = None;
        while closer.is_none() {
            let Ok(first) = orders.recv() else { break };
            if let (Some(last), Command::Enter(..)) = (last, &first) {
                // A caller that cannot wait unparks this thread; being early does no harm.
                std::thread::park_timeout(PACE.saturating_sub(last.elapsed()));
            }
            last = Some(Instant::now());
            let (mut group, mut answers) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(orders.try_iter()) {
                match order {
                    Command::Enter(entered, answer) => {
                        group.push(entered);
                        answers.push(answer);
                    }
                    Command::Close(to) => closer = Some(to),
                }
                if group.len() >= GROUP || closer.is_some() {
                    break;
                }
            }
            self.commit(group, answers);
        }
        let ended = self.end();
        if let Some(closer) = closer {
            // The caller that closes waits for this; its thread may have died meanwhile.
            let _ = closer.send(ended);
        }
    }

    fn commit(&mut self, group: Vec<LedgerWrite>, answers: Vec<Reply>) {
        let result = self.write(group);
        for answer in answers {
            answer.send(result.clone());
        }
        if self.poison.is_none()
            && let Err(error) = self.writer.checkpoint_if_due()
        {
            // Any other error leaves all of it in the WAL, for the next attempt.
            self.note(&error);
        }
    }

    fn write(&mut self, group: Vec<LedgerWrite>) -> Result<(), LedgerError> {
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
