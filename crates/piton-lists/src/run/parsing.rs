//! The list ahead of the thread that looks its items up: parsing and hashing an item cost as much as
//! finding it in the ledger, and a list of which most is done is nothing but these two.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use super::job::weight;
use crate::format::ListError;
use crate::source::{Keyed, Source};

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
/// [`ListError`] if the list cannot be opened, or the system gives no thread.
pub(crate) fn parse<'scope>(
    scope: &'scope Scope<'scope, '_>,
    source: &'scope Source,
) -> Result<Receiver<Entries>, ListError> {
    let keyed = source.keyed()?;
    let (to, entries) = sync_channel(BATCHES);
    let thread = Builder::new().name("piton-list".to_owned());
    thread.spawn_scoped(scope, move || hand_over(keyed, &to))?;
    Ok(entries)
}

fn hand_over(keyed: impl Iterator<Item = Result<Keyed, ListError>>, to: &SyncSender<Entries>) {
    let (mut batch, mut held) = (Vec::new(), 0);
    for entry in keyed {
        if let Ok(Keyed::Item(item, _)) = &entry {
            held += weight(item);
        }
        batch.push(entry);
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
