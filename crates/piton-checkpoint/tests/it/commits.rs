//! Commits that are numbers, and what is left of them.

use piton_checkpoint::store::{Store, Taken};
use serde_json::{Value, json};

pub(crate) fn state(n: u64) -> Vec<u8> {
    json!({ "n": n }).to_string().into_bytes()
}

/// The durable one, and those after it.
pub(crate) fn numbers(taken: &Taken) -> (Option<u64>, Vec<u64>) {
    let number = |state: &Vec<u8>| -> u64 {
        serde_json::from_slice::<Value>(state).unwrap()["n"].as_u64().unwrap()
    };
    (taken.durable.as_ref().map(number), taken.later.iter().map(number).collect())
}

/// Five commits, of which three are durable.
pub(crate) fn work(store: &dyn Store) {
    store.take().unwrap();
    let marks: Vec<_> = (1..=5).map(|n| store.commit(&state(n)).unwrap()).collect();
    store.sync(marks[2]).unwrap();
}
