//! What waits for one host, and what is known of it.

use std::collections::{BTreeMap, VecDeque};

use super::{Heard, Limits, Moment};

/// So many good answers for each file at once, and one more is tried.
const STREAK: usize = 8;
/// No host is given up for a single failure.
const LEAST_FAILURES: u32 = 2;
/// One that says how long it wants to be left alone is there, and gets so many chances.
const LEAST_REQUESTS: u32 = 5;

/// What waits for one host, and what is known of it.
pub(super) struct Host<T> {
    /// Before all others: what a run that died had begun.
    first: VecDeque<T>,
    /// In the order of the list.
    list: VecDeque<T>,
    /// To be tried again, each not before its time; the number keeps the order.
    again: BTreeMap<(Moment, u64), T>,
    pub(super) running: usize,
    /// No start before.
    pub(super) not_before: Moment,
    /// How many may run: fewer where that was too much for it.
    most: usize,
    /// Good answers since `most` was last changed.
    streak: usize,
    /// Failures of the host as a whole, in a row.
    failures: u32,
    /// When the try that was the first of them began.
    failing_since: Moment,
    /// When the last of them was counted.
    failed_at: Moment,
    /// It was well at some time in this run.
    answered: bool,
    /// What it means by a refusal.
    pub(super) refusals: Refusals,
    /// Nothing more is asked of it in this run.
    pub(super) given_up: bool,
    /// Where the queue has it.
    pub(super) place: Place,
}

/// What a host means by a refusal (403) of one file beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// Not found out yet.
    Unknown,
    /// The file: alone it was refused as well.
    OfItems,
    /// The number of files at once: alone it was given.
    OfNumbers,
}

/// In which of the queue's orders a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Something may start now; the number is its turn.
    Ready(u64),
    /// Something may start then.
    Held(Moment),
    /// As much runs as may, or nothing waits.
    Busy,
    /// Nothing runs and nothing waits; kept for what is known of it.
    Idle(Moment),
}

impl<T> Host<T> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            first: VecDeque::new(),
            list: VecDeque::new(),
            again: BTreeMap::new(),
            running: 0,
            not_before: Moment::ZERO,
            most: limits.per_host.get(),
            streak: 0,
            failures: 0,
            failing_since: Moment::ZERO,
            failed_at: Moment::ZERO,
            answered: false,
            refusals: Refusals::Unknown,
            given_up: false,
            place: Place::Busy,
        }
    }

    pub(super) fn push(&mut self, item: T, first: bool) {
        if first { self.first.push_back(item) } else { self.list.push_back(item) }
    }

    pub(super) fn push_again(&mut self, item: T, at: Moment, number: u64) {
        self.again.insert((at, number), item);
    }

    /// What is to be started now, if anything may be.
    pub(super) fn take(&mut self, now: Moment) -> Option<T> {
        if let Some(item) = self.first.pop_front() {
            return Some(item);
        }
        // Whether a host is well again is seen from an item that did not fail yet: one that fails
        // always would hold up all others.
        if self.failures > 0
            && let Some(item) = self.list.pop_front()
        {
            return Some(item);
        }
        if let Some(due) = self.again.first_entry().filter(|due| due.key().0 <= now) {
            return Some(due.remove());
        }
        self.list.pop_front()
    }

    /// All that waits.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let again = std::mem::take(&mut self.again).into_values();
        self.first.drain(..).chain(again).chain(self.list.drain(..)).collect()
    }

    /// Where it belongs now; `turn` is its turn if it has just become ready.
    pub(super) fn settled(&self, now: Moment, turn: u64) -> Place {
        // A host that failed is asked by one until it answers again.
        let most = if self.failures > 0 { 1 } else { self.most };
        let at_once = !self.first.is_empty() || !self.list.is_empty();
        let earliest = match self.again.first_key_value() {
            _ if at_once => Some(Moment::ZERO),
            Some(((at, _), _)) => Some(*at),
            None => None,
        };
        match earliest.map(|at| at.max(self.not_before)) {
            None if self.running > 0 => Place::Busy,
            // One that was given up is the last to be forgotten.
            None if self.given_up => Place::Idle(Moment::MAX),
            None => Place::Idle(self.not_before),
            Some(_) if self.running >= most => Place::Busy,
            Some(at) if at > now => Place::Held(at),
            Some(_) => match self.place {
                Place::Ready(since) => Place::Ready(since),
                _ => Place::Ready(turn),
            },
        }
    }

    /// What each of its files may have of the connections that it bears.
    pub(super) fn share(&self) -> usize {
        let waiting = [self.first.len(), self.list.len(), self.again.len()].iter().sum::<usize>();
        self.most / waiting.saturating_add(self.running).max(1)
    }

    /// It answered as a host that is well does: by and by it is trusted with more again.
    pub(super) fn served(&mut self, limits: &Limits) {
        self.failures = 0;
        self.answered = true;
        self.streak += 1;
        if self.most < limits.per_host.get() && self.streak >= self.most * STREAK {
            self.most += 1;
            self.streak = 0;
        }
    }

    /// It refused one beside those that still run: that many it bears.
    pub(super) fn crowded(&mut self) {
        self.most = self.most.min(self.running).max(1);
        self.streak = 0;
    }

    /// What a refusal turned out to mean. Where it is the file, there is no reason to ask for fewer at a time.
    pub(super) fn refuses(&mut self, what: Refusals, limits: &Limits) {
        if self.refusals == Refusals::Unknown || what == Refusals::OfNumbers {
            self.refusals = what;
        }
        if self.refusals == Refusals::OfItems {
            self.most = limits.per_host.get();
        }
    }

    /// It failed as a whole towards something begun at `begun`. Failures of what was under way when
    /// the last one was counted are that same failure. Returns how many that makes in a row, if
    /// this one counts.
    pub(super) fn failed(&mut self, begun: Moment, now: Moment) -> Option<u32> {
        if self.failures > 0 && begun <= self.failed_at {
            return None;
        }
        if self.failures == 0 {
            self.failing_since = begun;
        }
        self.most = (self.most / 2).max(1);
        self.streak = 0;
        self.failures = self.failures.saturating_add(1);
        self.failed_at = now;
        Some(self.failures)
    }

    /// After a failure that counts: whether it has failed for too long to be asked again at `next`.
    /// `served`: when any host was last well.
    pub(super) fn is_hopeless(
        &self,
        heard: Heard,
        next: Moment,
        served: Moment,
        limits: &Limits,
    ) -> bool {
        let (since, patience) = match (self.answered, heard) {
            (false, _) => (self.failing_since, limits.patience_at_first),
            (true, Heard::Away) => (self.failing_since.max(served), limits.patience_away),
            (true, _) => (self.failing_since.max(served), limits.patience),
        };
        let least = if heard.asked().is_some() { LEAST_REQUESTS } else { LEAST_FAILURES };
        self.failures >= least && next > since.saturating_add(patience)
    }
}
