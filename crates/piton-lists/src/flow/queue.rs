//! Waiting items, by host.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use super::host::{Host, Place, Refusals};
use super::{Limits, Moment};

/// The window: at most this many items wait, and nothing of the rest of the list is held.
const MAX_ITEMS: usize = 32_768;

/// The same for their size in bytes: an item may have ten thousand piece digests (G8).
const MAX_WEIGHT: usize = 32 << 20;

/// Hosts to remember while nothing waits for them.
const MAX_IDLE: usize = 4096;

/// Waiting items, by host. Hosts take turns; within a host, the order is that of the list.
///
/// Each call costs O(log n) in the number of hosts and waiting items.
pub struct Queue<T> {
    limits: Limits,
    hosts: HashMap<Arc<str>, Host<Waiting<T>>>,
    /// Hosts where something may start, by turn.
    ready: BTreeSet<(u64, Arc<str>)>,
    /// Hosts where something may start later.
    held: BTreeSet<(Moment, Arc<str>)>,
    /// Hosts for which nothing waits, the least recently asked first.
    idle: BTreeSet<(Moment, Arc<str>)>,
    /// When any host last answered successfully.
    served: Moment,
    running: usize,
    waiting: usize,
    weight: usize,
    /// Numbers turns and retries.
    counter: u64,
}

struct Waiting<T> {
    item: T,
    weight: usize,
}

/// An item to start. Report its end with [`Queue::ended`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started<T> {
    /// The item.
    pub item: T,
    /// Its host.
    pub host: Arc<str>,
    /// When it started.
    pub begun: Moment,
}

/// What the outcome of an item says about its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The host is well: it answered, if only with "no such file".
    Served,
    /// Nothing is known about the host: the disk failed, or the item was stopped.
    Nothing,
    /// The host does not answer: it is unreachable, or the network is, perhaps for all hosts.
    Away,
    /// The host asks to wait, for this long if it said so.
    Busy(Option<Duration>),
    /// It refused this item while it serves others: there may be too many at a time.
    Crowded,
}

impl Heard {
    /// How long the host asked to wait.
    pub fn asked(self) -> Option<Duration> {
        if let Self::Busy(asked) = self { asked } else { None }
    }

    /// Whether the host failed as a whole.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Away | Self::Busy(_))
    }
}

impl<T> Queue<T> {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            hosts: HashMap::new(),
            ready: BTreeSet::new(),
            held: BTreeSet::new(),
            idle: BTreeSet::new(),
            served: Moment::ZERO,
            running: 0,
            waiting: 0,
            weight: 0,
            counter: 0,
        }
    }

    /// Whether more should be pushed now: the window is not full.
    pub fn has_room(&self) -> bool {
        self.waiting < MAX_ITEMS && self.weight < MAX_WEIGHT
    }

    /// Waiting items.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Items that were started and have not ended.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Adds an item of `weight` bytes for `host`: after the others, or with `first`, before all that were
    /// added without it.
    ///
    /// # Errors
    /// The item, if its host was given up.
    pub fn push(
        &mut self,
        host: &str,
        item: T,
        weight: usize,
        first: bool,
        now: Moment,
    ) -> Result<(), T> {
        self.add(host, item, weight, now, |host, item, _| host.push(item, first))
    }

    /// Adds an item to retry, not before `at`.
    ///
    /// # Errors
    /// The item, if its host was given up.
    pub fn push_again(
        &mut self,
        host: &str,
        item: T,
        weight: usize,
        at: Moment,
        now: Moment,
    ) -> Result<(), T> {
        self.add(host, item, weight, now, |host, item, number| host.push_again(item, at, number))
    }

    /// The item to start now, if one may start. It counts as running from now on. `random` is any 64 random
    /// bits.
    pub fn next(&mut self, now: Moment, random: u64) -> Option<Started<T>> {
        if self.running >= self.limits.jobs.get() {
            return None;
        }
        while let Some((at, name)) = self.held.first().filter(|(at, _)| *at <= now).cloned() {
            self.held.remove(&(at, Arc::clone(&name)));
            self.settle(&name, now);
        }
        let (_, name) = self.ready.pop_first()?;
        let host = self.hosts.get_mut(&name)?;
        host.place = Place::Busy;
        let taken = host.take(now);
        if taken.is_some() {
            host.running += 1;
            host.not_before = host.not_before.max(now.saturating_add(self.limits.interval(random)));
        }
        self.settle(&name, now);
        let Waiting { item, weight } = taken?;
        self.running += 1;
        self.lighten(1, weight);
        Some(Started { item, host: name, begun: now })
    }

    /// An item that was started at `begun` has ended. Returns the items that waited for its host if the
    /// host is given up now.
    pub fn ended(
        &mut self,
        name: &Arc<str>,
        begun: Moment,
        heard: Heard,
        now: Moment,
        random: u64,
    ) -> Vec<T> {
        self.running = self.running.saturating_sub(1);
        let Some(host) = self.hosts.get_mut(name) else { return Vec::new() };
        host.running = host.running.saturating_sub(1);
        let mut left = Vec::new();
        match heard {
            Heard::Nothing => {}
            Heard::Served => {
                host.served(&self.limits);
                self.served = now;
            }
            Heard::Crowded => host.crowded(),
            Heard::Away | Heard::Busy(_) => {
                let asked = heard.asked();
                let counted = host.failed(begun, now);
                let own = counted.map(|tries| self.limits.backoff.pause(tries, random));
                // One that asks for no pause at all is not to be hammered either.
                let pause = own.unwrap_or_default().max(asked.unwrap_or_default());
                let next = now.saturating_add(pause);
                host.not_before = host.not_before.max(next);
                if counted.is_some() && host.is_hopeless(heard, next, self.served, &self.limits) {
                    host.given_up = true;
                    left = host.take_all();
                }
            }
        }
        self.lighten(left.len(), left.iter().map(|waiting| waiting.weight).sum());
        self.settle(name, now);
        left.into_iter().map(|waiting| waiting.item).collect()
    }

    /// Whether a refusal of a running item may be about the number of parallel files, and not about the
    /// file: others run at this host, and it is not known to mean the file.
    pub fn may_be_crowded(&self, host: &str) -> bool {
        self.hosts
            .get(host)
            .is_some_and(|host| host.running > 1 && host.refusals != Refusals::OfItems)
    }

    /// What a refusal by this host turned out to mean, when the same item was requested alone.
    pub fn refuses(&mut self, name: &Arc<str>, what: Refusals, now: Moment) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        host.refuses(what, &self.limits);
        self.settle(name, now);
    }

    /// How many of `connections` in total a file from this host may use, if nothing more is pushed: they
    /// are shared evenly among everything that waits and runs; files of one host share what it tolerates.
    pub fn share(&self, host: &str, connections: usize) -> NonZeroU16 {
        let left = self.waiting.saturating_add(self.running);
        let share = connections.checked_div(left).unwrap_or(connections);
        // As for every file of a list but the last few.
        if share <= 1 {
            return NonZeroU16::MIN;
        }
        let of_host = self.hosts.get(host).map_or(usize::MAX, Host::share);
        let share = u16::try_from(share.min(of_host)).unwrap_or(u16::MAX);
        NonZeroU16::new(share).unwrap_or(NonZeroU16::MIN)
    }

    /// When [`Queue::next`] may return something that it does not return now, if only time is missing.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.running >= self.limits.jobs.get() {
            return None;
        }
        match self.ready.first() {
            Some(_) => Some(Moment::ZERO),
            None => self.held.first().map(|(at, _)| *at),
        }
    }

    /// Takes out everything that waits, in no particular order.
    pub fn drain(&mut self) -> Vec<T> {
        let left: Vec<_> = self.hosts.values_mut().flat_map(Host::take_all).collect();
        self.ready.clear();
        self.held.clear();
        self.idle.clear();
        for host in self.hosts.values_mut() {
            host.place = Place::Busy;
        }
        (self.waiting, self.weight) = (0, 0);
        left.into_iter().map(|waiting| waiting.item).collect()
    }

    fn add(
        &mut self,
        name: &str,
        item: T,
        weight: usize,
        now: Moment,
        put: impl FnOnce(&mut Host<Waiting<T>>, Waiting<T>, u64),
    ) -> Result<(), T> {
        let name = match self.hosts.get_key_value(name) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(name),
        };
        let limits = &self.limits;
        let host = self.hosts.entry(Arc::clone(&name)).or_insert_with(|| Host::new(limits));
        if host.given_up {
            return Err(item);
        }
        self.counter += 1;
        put(host, Waiting { item, weight }, self.counter);
        self.waiting += 1;
        self.weight = self.weight.saturating_add(weight);
        self.settle(&name, now);
        Ok(())
    }

    fn lighten(&mut self, items: usize, weight: usize) {
        self.waiting = self.waiting.saturating_sub(items);
        self.weight = self.weight.saturating_sub(weight);
    }

    /// Puts a host where it belongs after a change.
    fn settle(&mut self, name: &Arc<str>, now: Moment) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        self.counter += 1;
        let (old, new) = (host.place, host.settled(now, self.counter));
        if old == new {
            return;
        }
        host.place = new;
        let entry = Arc::clone(name);
        match old {
            Place::Ready(turn) => drop(self.ready.remove(&(turn, entry))),
            Place::Held(at) => drop(self.held.remove(&(at, entry))),
            Place::Idle(at) => drop(self.idle.remove(&(at, entry))),
            Place::Busy => {}
        }
        let entry = Arc::clone(name);
        match new {
            Place::Ready(turn) => drop(self.ready.insert((turn, entry))),
            Place::Held(at) => drop(self.held.insert((at, entry))),
            Place::Idle(at) => {
                self.idle.insert((at, entry));
                if self.idle.len() > MAX_IDLE
                    && let Some((_, least)) = self.idle.pop_first()
                {
                    self.hosts.remove(&least);
                }
            }
            Place::Busy => {}
        }
    }
}

#[cfg(test)]
impl<T> Queue<T> {
    pub(super) fn known_hosts(&self) -> usize {
        self.hosts.len()
    }
}
