//! What is done of a source whose pieces are finished in any order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};

use super::plan::{Piece, Plan, mixed};
use crate::body::{Body, Header};
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
    /// The header that the output has.
    header: Cell<Option<Header>>,
    /// Where the source has ended, in this run and earlier ones.
    ends: RefCell<Vec<u64>>,
    /// What was met of the first of the earlier ranges.
    met: Cell<u64>,
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
            header: Cell::new(work.header),
            ends: RefCell::new(std::mem::take(&mut work.ends)),
            met: Cell::new(0),
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

    /// Records that are done, also behind the head.
    pub(crate) fn done(&self) -> u64 {
        let behind: u64 = self.waiting.borrow().values().map(|it| it.records).sum();
        let earlier: u64 = self.earlier.borrow().iter().map(|it| it.records).sum();
        self.position().1.saturating_add(behind).saturating_add(earlier)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// Where pieces end that earlier runs have finished behind the head.
    pub(crate) fn ends(&self) -> impl Iterator<Item = u64> {
        let mut ends = self.ends.borrow().clone();
        ends.extend(self.earlier.borrow().iter().flat_map(|ahead| [ahead.from, ahead.to]));
        ends.into_iter()
    }

    /// The source ended here, for now.
    pub(crate) fn ended(&self, at: u64) {
        let mut ends = self.ends.borrow_mut();
        if ends.last() != Some(&at) {
            ends.push(at);
        }
    }

    /// The result as the output takes it: only the first one keeps its header.
    pub(crate) fn headed(&self, body: Body, at: u64) -> Result<Body, Error> {
        match (body.header(), self.header.get()) {
            (Header { len: 0, .. }, _) => Ok(body),
            (header, Some(first)) if header == first => Ok(body.without_header()),
            (_, Some(_)) => Err(Error::HeaderDiffers { start: at }),
            (header, None) => {
                self.header.set(Some(header));
                Ok(body)
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
            self.met.set(0);
        }
        let Some(ahead) = earlier.front().copied().filter(|ahead| ahead.from < end) else {
            return Ok(false);
        };
        let whole = ahead.from <= start && end <= ahead.to;
        self.met.set(self.met.get() ^ mixed(piece));
        if !whole || (end == ahead.to && self.met.get() != ahead.key) {
            return Err(self.plan.borrow().changed(ahead.from, ahead.to));
        }
        if end == ahead.to {
            earlier.pop_front();
            self.met.set(0);
        }
        Ok(true)
    }

    /// The piece is finished and its result is kept: it waits for its turn, also if it is next in line already.
    pub(crate) fn keep(&self, piece: &S::Piece) {
        let kept = self.waits(piece);
        self.waiting.borrow_mut().insert(piece.start(), kept);
    }

    fn waits(&self, piece: &S::Piece) -> Waiting<S::Behind> {
        let behind = self.plan.borrow().behind(piece);
        Waiting { end: piece.end(), records: piece.records(), key: mixed(piece), behind }
    }

    /// The piece is finished, its result has its place, and it counts when everything before it does.
    pub(crate) fn finish(&self, piece: &S::Piece) {
        let mut from = piece.start();
        if from == self.position().0 {
            *self.head.borrow_mut() = self.plan.borrow().behind(piece);
            return;
        }
        // Only in any order a result has its place before its turn.
        let mut new = self.waits(piece);
        let mut waiting = self.waiting.borrow_mut();
        if let Some(next) = waiting.remove(&new.end) {
            let (records, key) = (next.records + new.records, next.key ^ new.key);
            new = Waiting { records, key, ..next };
        }
        let before = waiting.range(..from).next_back();
        if let Some((start, before)) = before.filter(|(_, before)| before.end == from) {
            new.records += before.records;
            new.key ^= before.key;
            from = *start;
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
        let (failed, header) = (self.failed.get(), self.header.get());
        let head = self.position().0;
        let ends = self.ends.borrow().iter().copied().filter(|end| *end > head).collect();
        let mut work = WorkState { failed, header, ends, ..self.work.clone() };
        if self.work.order == Order::Any {
            let earlier = self.earlier.borrow();
            let known = |from, to| earlier.iter().any(|it| it.from <= from && to <= it.to);
            let waiting = self.waiting.borrow();
            let met =
                waiting.iter().filter(|(from, it)| !known(**from, it.end)).map(|(from, it)| {
                    Ahead { from: *from, to: it.end, records: it.records, key: it.key }
                });
            let left = earlier.iter().map(|ahead| match ahead.from < head {
                // Of this one only the rest is ahead.
                true => Ahead { from: head, key: ahead.key ^ self.met.get(), ..*ahead },
                false => *ahead,
            });
            work.ahead = met.chain(left).collect();
            work.ahead.sort_unstable_by_key(|ahead| ahead.from);
        }
        Some(work)
    }
}
