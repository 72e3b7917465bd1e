//! What waits for one host, and what is known about it.

use std::collections::{BTreeMap, VecDeque};

use super::{Heard, Limits, Moment};

/// After this many successful answers per parallel file, one more is tried.
const STREAK: usize = 8;
/// No host is given up for a single failure.
const LEAST_FAILURES: u32 = 2;
/// A host that says how long to wait is reachable, and gets this many chances.
const LEAST_REQUESTS: u32 = 5;

/// What waits for one host, and what is known about it.
pub(super) struct Host<T> {
    /// Before all others: items that a killed run had started.
    first: VecDeque<T>,
    /// In the order of the list.
    list: VecDeque<T>,
    /// Items to retry, each not before its time; the number keeps the order.
    again: BTreeMap<(Moment, u64), T>,
    pub(super) running: usize,
    /// No start before this.
    pub(super) not_before: Moment,
    /// How many may run: fewer if that was too much for the host.
    most: usize,
    /// Successful answers since `most` last changed.
    streak: usize,
    /// Failures of the host as a whole, in a row.
    failures: u32,
    /// When the try that was the first of them started.
    failing_since: Moment,
    /// When the last of them was counted.
    failed_at: Moment,
    /// It answered successfully at some time in this run.
    answered: bool,
    /// What a refusal by it means.
    pub(super) refusals: Refusals,
    /// Nothing more is requested from it in this run.
    pub(super) given_up: bool,
    /// Its place in the queue.
    pub(super) place: Place,
}

/// What a host means by refusing (403) one file while it serves others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// Not known yet.
    Unknown,
    /// The file: it was refused alone, too.
    OfItems,
    /// The number of parallel files: alone, it was served.
    OfNumbers,
}

/// In which of the queue's orders a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Something may start now; the number is its turn.
    Ready(u64),
    /// Something may start at that time.
    Held(Moment),
    /// The maximum is running, or nothing waits.
    Busy,
    /// Nothing runs and nothing waits; kept for what is known about it.
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

    /// What to start now, if anything may start.
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

    /// Everything that waits.
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

    /// The share of each of its files in the connections that it tolerates.
    pub(super) fn share(&self) -> usize {
        let waiting = [self.first.len(), self.list.len(), self.again.len()].iter().sum::<usize>();
        self.most / waiting.saturating_add(self.running).max(1)
    }

    /// It answered as a healthy host: gradually it is trusted with more again.
    pub(super) fn served(&mut self, limits: &Limits) {
        self.failures = 0;
        self.answered = true;
        self.streak += 1;
        if self.most < limits.per_host.get() && self.streak >= self.most * STREAK {
            self.most += 1;
            self.streak = 0;
        }
    }

    /// It refused one file while others were running: it tolerates that many.
    pub(super) fn crowded(&mut self) {
        self.most = self.most.min(self.running).max(1);
        self.streak = 0;
    }

    /// What a refusal turned out to mean. If it is about the file, there is no reason to request fewer at a
    /// time.
    pub(super) fn refuses(&mut self, what: Refusals, limits: &Limits) {
        if self.refusals == Refusals::Unknown || what == Refusals::OfNumbers {
            self.refusals = what;
        }
        if self.refusals == Refusals::OfItems {
            self.most = limits.per_host.get();
        }
    }

    /// It failed as a whole for something started at `begun`. Failures of what was in progress when the
    /// last one was counted are the same failure. Returns how many that makes in a row, if this one counts.
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
    /// `served`: when any host last answered successfully.
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
