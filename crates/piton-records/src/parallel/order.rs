//! What is done of a source whose pieces are finished in any order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use super::plan::{Piece, Plan};
use crate::body::Body;
use crate::error::Error;
use crate::job::Cursor;
use crate::state::{Ahead, Order, SourceState, WorkState};

/// How far a source is done: everything before the head, and pieces behind it.
pub(crate) struct Track<S: Plan> {
    pub(crate) plan: RefCell<S>,
    head: RefCell<S::Behind>,
    /// Pieces that are finished behind the head, by where they begin. Those that touch are one, unless each has a result
    /// that waits for its turn.
    waiting: RefCell<BTreeMap<u64, Waiting<S::Behind>>>,
    /// What earlier runs have finished behind the head, as far as it was not met again.
    earlier: RefCell<VecDeque<Ahead>>,
    /// Pieces that this run has finished.
    results: Cell<u64>,
    failed: Cell<u64>,
    /// Whether the output has its header.
    headed: Cell<bool>,
    work: WorkState,
}

struct Waiting<B> {
    end: u64,
    records: u64,
    key: u64,
    behind: B,
}

impl<S: Plan> Track<S> {
    /// The source was done up to `head`, by this work.
    pub(crate) fn new(plan: S, head: S::Behind, mut work: WorkState) -> Self {
        let earlier = std::mem::take(&mut work.ahead).into();
        Self {
            plan: RefCell::new(plan),
            head: RefCell::new(head),
            waiting: RefCell::new(BTreeMap::new()),
            earlier: RefCell::new(earlier),
            results: Cell::new(0),
            failed: Cell::new(work.failed),
            headed: Cell::new(work.headed),
            work,
        }
    }

    pub(crate) fn order(&self) -> Order {
        self.work.order
    }

    /// The position of the head, and the records before it.
    pub(crate) fn position(&self) -> (u64, u64) {
        self.plan.borrow().position(&self.head.borrow())
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// Where pieces end that earlier runs have finished behind the head.
    pub(crate) fn ends(&self) -> impl Iterator<Item = u64> {
        let ends: Vec<u64> = self.earlier.borrow().iter().map(|ahead| ahead.to).collect();
        ends.into_iter()
    }

    /// The result as the output takes it: only the first one keeps its header.
    pub(crate) fn headed(&self, body: Body) -> Body {
        match (body.header(), self.headed.get()) {
            (0, _) => body,
            (_, true) => body.without_header(),
            (_, false) => {
                self.headed.set(true);
                body
            }
        }
    }

    /// A worker has finished a piece, with so many dead letters.
    pub(crate) fn count(&self, failed: u64) {
        self.results.set(self.results.get() + 1);
        self.fail(failed);
    }

    /// So many records are dead letters.
    pub(crate) fn fail(&self, failed: u64) {
        self.failed.set(self.failed.get().saturating_add(failed));
    }

    /// Whether an earlier run has finished this piece behind the head, with a result that is in the output.
    pub(crate) fn is_done(&self, piece: &S::Piece) -> Result<bool, Error> {
        let mut earlier = self.earlier.borrow_mut();
        let (start, end) = (piece.start(), piece.end());
        while earlier.front().is_some_and(|ahead| ahead.to <= start) {
            earlier.pop_front();
        }
        let Some(ahead) = earlier.front().copied().filter(|ahead| ahead.from < end) else {
            return Ok(false);
        };
        let whole = ahead.from <= start && end <= ahead.to;
        if !whole || (end == ahead.to && piece.key() != ahead.key) {
            return Err(self.plan.borrow().changed(ahead.from, ahead.to));
        }
        if end == ahead.to {
            earlier.pop_front();
        }
        Ok(true)
    }

    /// The piece is finished and its result is kept: it waits for its turn, also if it is next in line already.
    pub(crate) fn keep(&self, piece: &S::Piece) {
        let behind = self.plan.borrow().behind(piece);
        let kept = Waiting { end: piece.end(), records: piece.records(), key: piece.key(), behind };
        self.waiting.borrow_mut().insert(piece.start(), kept);
    }

    /// The piece is finished, its result has its place, and it counts when everything before it does.
    pub(crate) fn finish(&self, piece: &S::Piece) {
        let behind = self.plan.borrow().behind(piece);
        let mut from = piece.start();
        if from == self.position().0 {
            *self.head.borrow_mut() = behind;
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        let mut new =
            Waiting { end: piece.end(), records: piece.records(), key: piece.key(), behind };
        if self.work.order == Order::Any {
            if let Some(next) = waiting.remove(&new.end) {
                new = Waiting { records: next.records + new.records, ..next };
            }
            let before = waiting.range(..from).next_back();
            let touching = before.filter(|(_, before)| before.end == from);
            if let Some((start, records)) = touching.map(|(start, it)| (*start, it.records)) {
                new.records += records;
                from = start;
            }
        }
        waiting.insert(from, new);
    }

    /// Where the piece begins that is finished and next in line.
    pub(crate) fn next_in_line(&self) -> Option<u64> {
        let (head, _) = self.position();
        self.waiting.borrow().contains_key(&head).then_some(head)
    }

    /// The head moves behind that piece.
    pub(crate) fn advance(&self) {
        let (head, _) = self.position();
        if let Some(next) = self.waiting.borrow_mut().remove(&head) {
            *self.head.borrow_mut() = next.behind;
        }
    }
}

impl<S: Plan> Cursor for Track<S> {
    fn records(&self) -> u64 {
        self.position().1
    }

    fn results(&self) -> u64 {
        self.results.get()
    }

    fn state(&self) -> Result<SourceState, Error> {
        self.plan.borrow_mut().state(&self.head.borrow())
    }

    fn work(&self) -> Option<WorkState> {
        let (failed, headed) = (self.failed.get(), self.headed.get());
        let mut work = WorkState { failed, headed, ..self.work.clone() };
        if self.work.order == Order::Any {
            let earlier = self.earlier.borrow();
            let known = |from, to| earlier.iter().any(|it| it.from <= from && to <= it.to);
            let waiting = self.waiting.borrow();
            let met =
                waiting.iter().filter(|(from, it)| !known(**from, it.end)).map(|(from, it)| {
                    Ahead { from: *from, to: it.end, records: it.records, key: it.key }
                });
            work.ahead = met.chain(earlier.iter().copied()).collect();
            work.ahead.sort_unstable_by_key(|ahead| ahead.from);
        }
        Some(work)
    }
}
