//! The records of a file, as an iterator that knows which of them are done.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::core::{Core, Cursor};
use crate::error::Error;
use crate::record::Record;
use crate::source::{Batch, Position, Reader};
use crate::state::SourceState;

/// The records of a file, from the first one that is not done. A record is done when the next one is asked for. After an
/// error there are no more.
pub struct Records {
    core: Rc<Core>,
    cursor: Rc<FileCursor>,
    batch: Rc<Batch>,
    /// Which record of the batch comes next, and where it begins.
    index: usize,
    start: usize,
    /// The number of the first record of the batch.
    first: u64,
    turn: Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// No record was handed out since the last one was done.
    Between,
    /// One was, and is not done.
    Within,
    /// There are no more.
    Over,
}

/// How far the file is done.
pub(crate) struct FileCursor {
    path: String,
    framing: String,
    reader: RefCell<Reader>,
    batch: RefCell<Rc<Batch>>,
    /// So many records of the batch are done: the one store that each record costs.
    index: Cell<usize>,
    /// Records before the batch.
    first: Cell<u64>,
}

impl FileCursor {
    fn position(&self) -> Position {
        let (batch, index) = (self.batch.borrow(), self.index.get());
        let last = index.checked_sub(1).and_then(|last| batch.ends.get(last));
        let end = last.copied().unwrap_or(batch.start);
        Position { bytes: batch.base + end as u64, records: self.first.get() + index as u64 }
    }
}

impl Cursor for FileCursor {
    fn records(&self) -> u64 {
        self.first.get() + self.index.get() as u64
    }

    fn state(&self) -> Result<SourceState, Error> {
        let position = self.position();
        let mut reader = self.reader.borrow_mut();
        let behind = reader.behind(&self.batch.borrow(), position);
        reader.state(self.path.clone(), self.framing.clone(), &behind)
    }
}

impl Records {
    pub(crate) fn new(
        core: &Rc<Core>,
        reader: Reader,
        batch: Batch,
        position: Position,
        path: String,
    ) -> Self {
        let framing = batch.framing.to_string();
        let start = batch.start;
        let batch = Rc::new(batch);
        let cursor = Rc::new(FileCursor {
            path,
            framing,
            reader: RefCell::new(reader),
            batch: RefCell::new(Rc::clone(&batch)),
            index: Cell::new(0),
            first: Cell::new(position.records),
        });
        let (core, first) = (Rc::clone(core), position.records);
        Self { core, cursor, batch, index: 0, start, first, turn: Turn::Between }
    }

    pub(crate) fn cursor(&self) -> Rc<FileCursor> {
        Rc::clone(&self.cursor)
    }

    /// Without records: the job is finished.
    pub(crate) fn end(mut self) -> Self {
        self.turn = Turn::Over;
        self
    }

    /// How far the source is done: without the record that was handed out last.
    pub fn position(&self) -> Position {
        self.cursor.position()
    }

    /// How many bytes this run decodes again before the first record, since the source is compressed: of a .gz and of
    /// small blocks little, of a .zst all of the frame up to the position. That happens when the first record is
    /// asked for.
    pub fn replays(&self) -> u64 {
        self.cursor.reader.borrow().replays()
    }

    /// The next batch; `false`: there is none.
    #[cold]
    fn refill(&mut self) -> Result<bool, Error> {
        // Both references go, so that the buffer is ours again if no record of it is kept.
        let empty = Rc::new(Batch::empty(self.batch.framing));
        self.batch = Rc::clone(&empty);
        let old = Rc::unwrap_or_clone(self.cursor.batch.replace(empty));
        let (batch, result) = self.cursor.reader.borrow_mut().next(old);
        let batch = Rc::new(batch);
        self.first += self.index as u64;
        (self.index, self.start) = (0, batch.start);
        self.cursor.first.set(self.first);
        self.cursor.index.set(0);
        self.batch = Rc::clone(&batch);
        *self.cursor.batch.borrow_mut() = batch;
        result
    }

    /// The record that was handed out last is done.
    #[inline]
    fn done(&mut self) -> Result<(), Error> {
        self.turn = Turn::Between;
        self.cursor.index.set(self.index);
        self.core.done()
    }

    /// A step that is not the common one.
    #[cold]
    fn step(&mut self) -> Result<bool, Error> {
        self.core.begin(0);
        self.core.check()?;
        let more = self.refill()?;
        if !more {
            self.core.exhausted.set(true);
        }
        Ok(more)
    }
}

impl Iterator for Records {
    type Item = Result<Record, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.turn == Turn::Over {
            return None;
        }
        if self.turn == Turn::Within
            && let Err(error) = self.done()
        {
            self.turn = Turn::Over;
            return Some(Err(error));
        }
        loop {
            if let Some(&end) = self.batch.ends.get(self.index) {
                let start = std::mem::replace(&mut self.start, end);
                let number = self.first + self.index as u64;
                self.index += 1;
                self.turn = Turn::Within;
                self.core.begin(number + 1);
                return Some(Ok(Record { batch: Rc::clone(&self.batch), start, end, number }));
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => {
                    self.turn = Turn::Over;
                    return None;
                }
                Err(error) => {
                    self.turn = Turn::Over;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The record that was handed out last stays undone.
impl Drop for Records {
    fn drop(&mut self) {
        if self.turn == Turn::Within {
            self.core.abandon();
        }
    }
}
