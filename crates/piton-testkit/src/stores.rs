//! What each store of jobs must do, whichever it is: one suite over [`piton_checkpoint::store`].
//!
//! A store joins by a [`Subject`]; nothing here knows which store that is.

use std::sync::Arc;

use piton_checkpoint::store::{Mark, Store, StoreError, Taken};

/// How a store is reached. Each call of `open` is another run that opens the same place.
pub struct Subject<'a> {
    /// Opens it, without taking it.
    pub open: &'a dyn Fn() -> Arc<dyn Store>,
    /// Cuts the power: what is not durable may be gone. `None`: cannot be tried here.
    pub cut: Option<&'a dyn Fn()>,
    /// Kills the process.
    pub kill: &'a dyn Fn(),
    /// Whether a second run is refused while the first one lives. If not, it takes over.
    pub locks: bool,
}

/// Runs all of it, each part from an empty store.
///
/// # Panics
///
/// If the store does not conform.
pub fn check(subject: &Subject<'_>) {
    nothing_there(subject);
    commits_survive_a_kill(subject);
    a_sync_settles(subject);
    one_run_at_a_time(subject);
    every_run_has_its_epoch(subject);
    long_runs(subject);
    only_after_it_was_taken(subject);
    if let Some(cut) = subject.cut {
        a_power_cut(subject, cut);
    }
}

/// The state number `n`, as JSON of about `size` bytes.
fn state(n: u64, size: usize) -> Vec<u8> {
    let filler = "x".repeat(size);
    serde_json::json!({ "n": n, "text": "\"\u{e9}\n\\", "filler": filler }).to_string().into_bytes()
}

fn number(state: &[u8]) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(state).unwrap();
    assert_eq!(value["text"], "\"\u{e9}\n\\");
    value["n"].as_u64().unwrap()
}

/// The numbers of what was taken: the durable one first.
fn numbers(taken: &Taken) -> (Option<u64>, Vec<u64>) {
    (taken.durable.as_deref().map(number), taken.later.iter().map(|state| number(state)).collect())
}

fn clear(subject: &Subject<'_>) {
    let store = (subject.open)();
    store.take().unwrap();
    store.remove().unwrap();
    assert!(matches!(store.commit(b"{}"), Err(StoreError::Fenced { .. })));
    drop(store);
    (subject.kill)();
}

fn commit(store: &dyn Store, numbers: std::ops::RangeInclusive<u64>) -> Mark {
    numbers.map(|n| store.commit(&state(n, 20)).unwrap()).last().unwrap()
}

fn nothing_there(subject: &Subject<'_>) {
    clear(subject);
    let taken = (subject.open)().take().unwrap();
    assert_eq!((taken.epoch, numbers(&taken)), (1, (None, vec![])));
}

fn commits_survive_a_kill(subject: &Subject<'_>) {
    clear(subject);
    let store = (subject.open)();
    store.take().unwrap();
    commit(&*store, 1..=3);
    (subject.kill)();
    drop(store);
    // And a second resume is as good as the first.
    for _ in 0..3 {
        let store = (subject.open)();
        let (durable, later) = numbers(&store.take().unwrap());
        assert!(durable.is_none(), "nobody vouched for it");
        assert_eq!(later.last(), Some(&3));
        assert!(later.is_sorted());
        (subject.kill)();
    }
}

fn a_sync_settles(subject: &Subject<'_>) {
    clear(subject);
    let store = (subject.open)();
    store.take().unwrap();
    let mark = commit(&*store, 1..=3);
    commit(&*store, 4..=5);
    store.sync(mark).unwrap();
    // Again, and an older one: nothing happens.
    store.sync(mark).unwrap();
    commit(&*store, 6..=6);
    (subject.kill)();
    drop(store);
    for _ in 0..2 {
        let (durable, later) = numbers(&(subject.open)().take().unwrap());
        assert_eq!((durable, later.last()), (Some(3), Some(&6)));
        (subject.kill)();
    }
    // The next run's commits come after those that it found.
    let store = (subject.open)();
    store.take().unwrap();
    let mark = commit(&*store, 7..=7);
    store.sync(mark).unwrap();
    drop(store);
    let (durable, later) = numbers(&(subject.open)().take().unwrap());
    assert_eq!((durable, later), (Some(7), vec![]));
}

fn one_run_at_a_time(subject: &Subject<'_>) {
    clear(subject);
    let first = (subject.open)();
    first.take().unwrap();
    let mark = commit(&*first, 1..=1);
    let second = (subject.open)();
    if subject.locks {
        assert!(matches!(second.take(), Err(StoreError::Locked { .. })));
        commit(&*first, 2..=2);
        drop(first);
        let second = (subject.open)();
        assert_eq!(numbers(&second.take().unwrap()).1.last(), Some(&2));
        return;
    }
    let taken = second.take().unwrap();
    assert_eq!((taken.epoch, numbers(&taken).1), (2, vec![1]));
    let fenced = |result: Result<Mark, StoreError>| {
        assert!(matches!(result, Err(StoreError::Fenced { .. })), "{result:?}");
    };
    fenced(first.commit(&state(9, 20)));
    fenced(first.sync(mark).map(|()| mark));
    commit(&*second, 2..=2);
    // It stays so.
    fenced(first.commit(&state(9, 20)));
    (subject.kill)();
    assert_eq!(numbers(&(subject.open)().take().unwrap()).1.last(), Some(&2));
}

fn every_run_has_its_epoch(subject: &Subject<'_>) {
    clear(subject);
    for epoch in 1..=10 {
        let store = (subject.open)();
        let taken = store.take().unwrap();
        assert_eq!(taken.epoch, epoch);
        if epoch > 1 {
            assert_eq!(numbers(&taken).0, Some(epoch - 1));
        }
        let mark = commit(&*store, epoch..=epoch);
        store.sync(mark).unwrap();
        // Taken twice by one run: no.
        assert!(store.take().is_err());
        if epoch % 2 == 0 {
            (subject.kill)();
        }
    }
}

/// Long enough that a store which grows has to be compacted, with commits and syncs interleaved.
fn long_runs(subject: &Subject<'_>) {
    clear(subject);
    let store = (subject.open)();
    store.take().unwrap();
    let mut mark = commit(&*store, 1..=1);
    for n in 2..=400 {
        let next = store.commit(&state(n, 900)).unwrap();
        if n % 7 == 0 {
            store.sync(mark).unwrap();
        }
        mark = next;
    }
    (subject.kill)();
    drop(store);
    let (durable, later) = numbers(&(subject.open)().take().unwrap());
    // At 399 number 398 was settled.
    assert_eq!((durable, later), (Some(398), vec![399, 400]));
}

fn only_after_it_was_taken(subject: &Subject<'_>) {
    clear(subject);
    let store = (subject.open)();
    assert!(matches!(store.commit(b"{}"), Err(StoreError::NotTaken { .. })));
    assert!(matches!(store.remove(), Err(StoreError::NotTaken { .. })));
    assert!(!store.place().is_empty());
}

fn a_power_cut(subject: &Subject<'_>, cut: &dyn Fn()) {
    for settled in 0..8 {
        clear(subject);
        let store = (subject.open)();
        store.take().unwrap();
        for n in 1..=8 {
            let mark = store.commit(&state(n, 700)).unwrap();
            if n <= settled {
                store.sync(mark).unwrap();
            }
        }
        cut();
        drop(store);
        let (durable, later) = numbers(&(subject.open)().take().unwrap());
        let all: Vec<u64> = durable.into_iter().chain(later).collect();
        assert!(durable.unwrap_or(0) >= settled, "{all:?} after {settled} settled");
        let first = all.first().copied().unwrap_or(1);
        // What is missing is missing at the end.
        assert!(all.iter().zip(first..).all(|(n, wanted)| *n == wanted), "{all:?}");
    }
}
