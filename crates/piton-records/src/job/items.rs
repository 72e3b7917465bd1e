//! Ranges, and iterators of the program's own.

use std::cell::{Cell, RefCell};
use std::ops::Range;
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
    range: Option<Range<u64>>,
}

impl<P: Serialize> Cursor for ItemCursor<P> {
    fn records(&self) -> u64 {
        self.records.get()
    }

    fn state(&self) -> Result<SourceState, Error> {
        let records = self.records.get();
        Ok(match &self.range {
            Some(range) => {
                let (start, end) = (range.start, range.end);
                SourceState::Range { start, end, next: start.saturating_add(records) }
            }
            None => {
                let position =
                    serde_json::to_value(&*self.done.borrow()).map_err(Error::Position)?;
                SourceState::Positions { records, position }
            }
        })
    }
}

impl<P, I> Items<P, I> {
    pub(crate) fn new(
        core: &Rc<Core>,
        inner: I,
        done: Option<P>,
        records: u64,
        range: Option<Range<u64>>,
    ) -> Self {
        let cursor =
            Rc::new(ItemCursor { done: RefCell::new(done), records: Cell::new(records), range });
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

impl<P, T, I: Iterator<Item = (P, T)>> Iterator for Items<P, I> {
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
        let Some((position, value)) = self.inner.next() else {
            self.core.exhausted.set(true);
            return None;
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
