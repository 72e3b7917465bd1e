//! Commits: what is done is announced, written, synced.

use std::path::{Path, PathBuf};

use piton_checkpoint::store::Mark;

use super::core::{Checkpoints, Core, FULL, Life, OUTSTANDING, OUTSTANDING_BYTES, Sink};
use super::ticker::Synced;
use crate::body::Body;
use crate::error::Error;
use crate::output::OutputFile;
use crate::state::{Phase, State};

impl Core {
    pub(super) fn commit_as(&self, phase: Phase) -> Result<(), Error> {
        self.commit_with(phase, None)
    }

    /// Commits what is done; `body` follows what is pending.
    fn commit_with(&self, phase: Phase, body: Option<&Body>) -> Result<(), Error> {
        let cursor = self.cursor.borrow().clone();
        let Some(cursor) = cursor else { return Ok(()) };
        let many = {
            let tick = self.tick.borrow();
            tick.outstanding >= OUTSTANDING || tick.outstanding_bytes >= OUTSTANDING_BYTES
        };
        if many {
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
        let state = state.encode()?;
        let mark = self.store.commit(&state)?;
        if let (Some(Sink::File(output)), Some(announced)) = (output.as_mut(), announced) {
            output.write(bytes, body, announced.committed)?;
        }
        if let (Some(letters), Some(announced)) = (letters.as_mut(), of_letters) {
            letters.write(&pending_letters, None, announced.committed)?;
        }
        pending.drain(..self.done_len.get());
        pending_letters.clear();
        self.done_len.set(0);
        self.placed.set(false);
        self.shared.wrote(mark);
        if let Some(monitor) = &*self.monitor.borrow() {
            monitor.committed();
        }
        let mut tick = self.tick.borrow_mut();
        tick.outstanding += 1;
        tick.outstanding_bytes += state.len();
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
            self.placed.set(true);
            self.pending_letters.borrow_mut().extend_from_slice(letters);
            let at_end = self.checkpoints == Checkpoints::AtEnd;
            if body.len() >= FULL as u64 {
                if at_end && self.deliver(Some(body))? {
                    return Ok(());
                }
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
            match len >= FULL || letters >= FULL {
                true if at_end && self.deliver(None)? => Ok(()),
                true => self.commit(),
                false => Ok(()),
            }
        })
    }

    /// A commit or a sync may be due, although no record is done.
    pub(crate) fn breathe(&self) -> Result<(), Error> {
        self.check()?;
        if self.shared.is_due() { self.tick() } else { Ok(()) }
    }

    /// Commits what was placed, if anything was: it survives a kill.
    pub(crate) fn commit_placed(&self) -> Result<(), Error> {
        if self.placed.get() { self.guarded(|| self.commit()) } else { Ok(()) }
    }

    /// Whether results go into a pipe.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(&*self.output.borrow(), Some(Sink::Stream(_)))
    }

    /// This file has to be synced before the next sync of the store.
    pub(crate) fn sync_too(&self, output: Synced) {
        self.shared.sync_too(output);
    }

    /// The last commit that survives a power cut, and the last one at all if it says everything that was placed.
    pub(crate) fn marks(&self) -> (Option<Mark>, Option<Mark>) {
        let (durable, last) = self.shared.marks();
        (durable, last.filter(|_| !self.placed.get()))
    }

    /// Makes what was committed survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.shared.sync(&self.synced(), &*self.store)?;
        let mut tick = self.tick.borrow_mut();
        (tick.outstanding, tick.outstanding_bytes) = (0, 0);
        Ok(())
    }

    /// The files that are synced before the store.
    pub(super) fn synced(&self) -> Vec<Synced> {
        self.of_files(|file| Synced { file: file.file(), path: PathBuf::from(file.live()) })
    }

    /// Something of each file that is written to: output and dead letters.
    pub(super) fn of_files<T>(&self, of: impl Fn(&OutputFile) -> T) -> Vec<T> {
        let (output, letters) = (self.output.borrow(), self.letters.borrow());
        let output = match &*output {
            Some(Sink::File(output)) => Some(&**output),
            _ => None,
        };
        output.into_iter().chain(letters.as_ref()).map(of).collect()
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
}
