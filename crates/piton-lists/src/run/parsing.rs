//! The list ahead of the thread that looks its items up: parsing and hashing an item cost as much as
//! finding it in the ledger, and a list of which most is done is nothing but these two.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use super::job::weight;
use crate::format::ListError;
use crate::source::{Keyed, KeyedEntries};

/// Entries are handed over so many at a time.
const BATCH: usize = 256;
/// The same in bytes that they hold (G8).
const BATCH_WEIGHT: usize = 1 << 20;
/// Batches that may lie between the two threads.
const BATCHES: usize = 4;

/// Some entries of a list, in its order; an error is the last.
pub(crate) type Entries = Vec<Result<Keyed, ListError>>;

/// Reads the list on a thread of its own, which ends when the receiver is dropped.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn parse<'scope>(
    scope: &'scope Scope<'scope, '_>,
    entries: KeyedEntries<'scope>,
) -> io::Result<Receiver<Entries>> {
    ahead(scope, entries, |entry| match entry {
        Ok(Keyed::Item(item, _)) => weight(item),
        _ => 0,
    })
}

/// What `things` gives, made on a thread of its own, which ends when the receiver is dropped. `weight` is
/// about how many bytes one of them holds.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn ahead<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    things: impl Iterator<Item = T> + Send + 'scope,
    weight: impl Fn(&T) -> usize + Send + 'scope,
) -> io::Result<Receiver<Vec<T>>> {
    let (to, batches) = sync_channel(BATCHES);
    let thread = Builder::new().name("piton-list".to_owned());
    thread.spawn_scoped(scope, move || hand_over(things, weight, &to))?;
    Ok(batches)
}

fn hand_over<T>(
    things: impl Iterator<Item = T>,
    weight: impl Fn(&T) -> usize,
    to: &SyncSender<Vec<T>>,
) {
    let (mut batch, mut held) = (Vec::new(), 0);
    for thing in things {
        held += weight(&thing);
        batch.push(thing);
        if batch.len() >= BATCH || held >= BATCH_WEIGHT {
            if to.send(std::mem::take(&mut batch)).is_err() {
                return;
            }
            held = 0;
        }
    }
    // Nobody is left to care if this fails.
    let _ = to.send(batch);
}
