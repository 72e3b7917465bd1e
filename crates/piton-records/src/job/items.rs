//! Ranges, files of a folder, and iterators of the program's own.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use serde::Serialize;

use super::core::{Core, Cursor};
use crate::error::Error;
use crate::record::Item;
use crate::state::SourceState;

/// Items with positions, from the first one that is not done. An item is done when the next one is asked for. After an
/// error there are no more.
pub struct Items<P, I> {
    core: Rc<Core>,
    cursor: Rc<ItemCursor<P>>,
    inner: I,
    number: u64,
    turn: Turn<P>,
}

enum Turn<P> {
    /// No item was handed out since the last one was done.
    Between,
    /// One was; when it is done, this is the position.
    Within(P),
    Over,
}

/// How far the items are done.
pub(crate) struct ItemCursor<P> {
    done: RefCell<Option<P>>,
    records: Cell<u64>,
    source: ItemSource,
}

/// What items come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemSource {
    Range(Range<u64>),
    Files(PathBuf),
    /// An iterator of the program's own.
    Own,
}

impl ItemSource {
    /// So many items are done, the last one with this position behind it.
    pub(crate) fn state(
        &self,
        records: u64,
        position: Option<&impl Serialize>,
    ) -> Result<SourceState, Error> {
        let position = || serde_json::to_value(position).map_err(Error::Position);
        Ok(match self {
            Self::Range(range) => {
                let (start, end) = (range.start, range.end);
                SourceState::Range { start, end, next: start.saturating_add(records) }
            }
            Self::Files(dir) => {
                let path = dir.to_string_lossy().into_owned();
                SourceState::Files { path, position: position()? }
            }
            Self::Own => SourceState::Positions { records, position: position()? },
        })
    }

    /// How many items there are, if that is known.
    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Range(range) => Some(range.end.saturating_sub(range.start)),
            Self::Files(_) | Self::Own => None,
        }
    }
}

impl<P: Serialize> Cursor for ItemCursor<P> {
    fn records(&self) -> u64 {
        self.records.get()
    }

    fn state(&self) -> Result<SourceState, Error> {
        self.source.state(self.records.get(), self.done.borrow().as_ref())
    }
}

impl<P, I> Items<P, I> {
    pub(crate) fn new(
        core: &Rc<Core>,
        inner: I,
        done: Option<P>,
        records: u64,
        source: ItemSource,
    ) -> Self {
        let (done, records_done) = (RefCell::new(done), Cell::new(records));
        let cursor = Rc::new(ItemCursor { done, records: records_done, source });
        Self { core: Rc::clone(core), cursor, inner, number: records, turn: Turn::Between }
    }

    pub(crate) fn cursor(&self) -> Rc<ItemCursor<P>> {
        Rc::clone(&self.cursor)
    }

    /// Without items: the job is finished.
    pub(crate) fn end(mut self) -> Self {
        self.turn = Turn::Over;
        self
    }
}

impl<P, T, I: Iterator<Item = Result<(P, T), Error>>> Iterator for Items<P, I> {
    type Item = Result<Item<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let done = match std::mem::replace(&mut self.turn, Turn::Over) {
            Turn::Over => return None,
            Turn::Between => self.core.check(),
            Turn::Within(position) => {
                self.cursor.done.replace(Some(position));
                self.cursor.records.set(self.number);
                self.core.done()
            }
        };
        if let Err(error) = done {
            return Some(Err(error));
        }
        self.core.begin(0);
        let (position, value) = match self.inner.next() {
            Some(Ok(next)) => next,
            Some(Err(error)) => return Some(Err(error)),
            None => {
                self.core.exhausted.set(true);
                return None;
            }
        };
        let number = self.number;
        self.number += 1;
        self.turn = Turn::Within(position);
        self.core.begin(self.number);
        Some(Ok(Item::new(number, value)))
    }
}

/// The item that was handed out last stays undone.
impl<P, I> Drop for Items<P, I> {
    fn drop(&mut self) {
        if matches!(self.turn, Turn::Within(_)) {
            self.core.abandon();
        }
    }
}

/// What an iterator of the program's own gives: it does not fail.
pub struct Own<I>(pub(crate) I);

impl<P, T, I: Iterator<Item = (P, T)>> Iterator for Own<I> {
    type Item = Result<(P, T), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

/// The numbers of a range, each its own position.
pub struct Numbers(pub(crate) Range<u64>);

impl Iterator for Numbers {
    type Item = Result<(u64, u64), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|number| Ok((number, number)))
    }
}
