//! Connections that nobody uses for the moment, for whoever asks the same origin next.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lane::Held;
use super::lock;
use crate::origin::Origin;

/// Of one origin.
const PER_ORIGIN: usize = 16;
/// Of all.
const ALL: usize = 128;
/// Servers close what is idle for longer than a minute or so; an answer to such a connection is lost.
const LONGEST: Duration = Duration::from_secs(30);

/// The idle connections of a transport: one configuration, so the origin says all of where one leads.
/// What is too old is closed when the pool is used next, or with the transport.
#[derive(Default)]
pub(super) struct Idle {
    /// The oldest first.
    lines: Mutex<VecDeque<(Instant, Held)>>,
}

impl Idle {
    /// The newest connection to `origin` that still lives.
    pub(super) fn take(&self, origin: &Origin) -> Option<Held> {
        let mut lines = lock(&self.lines);
        let mut closed = Vec::new();
        let found = loop {
            let at = lines.iter().rposition(|(_, held)| held.via.origin == *origin)?;
            let (since, mut held) = lines.remove(at)?;
            if since.elapsed() <= LONGEST && held.is_alive() {
                break held;
            }
            closed.push(held);
        };
        drop(lines);
        Some(found)
    }

    /// Keeps a connection between whose requests nothing is left to be read.
    pub(super) fn put(&self, held: Held) {
        let now = Instant::now();
        let mut lines = lock(&self.lines);
        let mut closed = Vec::new();
        while lines.front().is_some_and(|(since, _)| now.duration_since(*since) > LONGEST) {
            closed.extend(lines.pop_front());
        }
        let same = |(_, other): &(Instant, Held)| other.via.origin == held.via.origin;
        let of_origin = lines.iter().filter(|line| same(line)).count();
        let excess = match of_origin >= PER_ORIGIN {
            true => lines.iter().position(same),
            false => (lines.len() >= ALL).then_some(0),
        };
        closed.extend(excess.and_then(|at| lines.remove(at)));
        lines.push_back((now, held));
        // Closing takes a moment, and the others need the lock.
        drop(lines);
        drop(closed);
    }
}
