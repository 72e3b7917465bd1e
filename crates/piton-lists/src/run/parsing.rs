//! Parses the list ahead of the thread that looks up its items: parsing and hashing an item cost as much as
//! finding it in the ledger, and for a list that is mostly done there is nothing else to do.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use super::job::weight;
use crate::format::ListError;
use crate::source::{Keyed, KeyedEntries};

/// The number of entries handed over at a time.
const BATCH: usize = 256;
/// The same, in bytes of the entries (G8).
const BATCH_WEIGHT: usize = 1 << 20;
/// Batches that may wait between the two threads.
const BATCHES: usize = 4;

/// Some entries of a list, in its order; an error is the last.
pub(crate) type Entries = Vec<Result<Keyed, ListError>>;

/// Reads the list on its own thread, which ends when the receiver is dropped.
///
/// # Errors
/// The system cannot create a thread.
pub(crate) fn parse<'scope>(
    scope: &'scope Scope<'scope, '_>,
    entries: KeyedEntries<'scope>,
) -> io::Result<Receiver<Entries>> {
    ahead(scope, entries, |entry| match entry {
        Ok(Keyed::Item(item, _)) => weight(item),
        _ => 0,
    })
}

/// The items of `things`, produced on its own thread, which ends when the receiver is dropped. `weight` is
/// the approximate size of one in bytes.
///
/// # Errors
/// The system cannot create a thread.
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
