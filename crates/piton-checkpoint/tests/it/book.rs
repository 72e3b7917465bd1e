//! Ledgers and outcomes for tests.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use piton_checkpoint::ledger::{Durability, How, Key, Ledger, LedgerError, Outcome, State};
use piton_testkit::seed::draw;

/// Some time in 2023.
pub(crate) const NOW: u64 = 1_700_000_000_000;

pub(crate) const POWER: How = How { durability: Durability::Power, create: true, now: NOW };
pub(crate) const PROCESS: How = How { durability: Durability::Process, create: true, now: NOW };

pub(crate) fn path_in(dir: &Path) -> PathBuf {
    dir.join("list.piton.db")
}

/// The key of item number `n`: spread evenly, as hashes are.
pub(crate) fn key(n: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&draw(2 * n, u64::MAX).to_le_bytes());
    key[8..].copy_from_slice(&draw(2 * n + 1, u64::MAX).to_le_bytes());
    key
}

/// A file that was fetched at the first try.
pub(crate) fn done(n: u64) -> Outcome {
    Outcome {
        key: key(n),
        state: State::Done,
        attempts: 1,
        at: NOW + n,
        size: Some(4096 + n),
        bytes: 4096 + n,
        took: 12,
        digest: None,
        class: None,
        detail: None,
        path: None,
        host: Some("example.org".to_owned()),
    }
}

pub(crate) fn failed(n: u64, state: State, class: &str) -> Outcome {
    Outcome {
        state,
        size: None,
        bytes: 17,
        class: Some(class.parse().unwrap()),
        detail: Some(format!("item {n} says {class}")),
        ..done(n)
    }
}

/// Records all of them, waits, and returns what each was told.
pub(crate) fn record(
    ledger: &Ledger,
    outcomes: impl IntoIterator<Item = Outcome>,
) -> Vec<Result<(), LedgerError>> {
    let (tell, told) = mpsc::channel();
    for outcome in outcomes {
        let tell = tell.clone();
        ledger.record(outcome, Box::new(move |result| tell.send(result).unwrap()));
    }
    drop(tell);
    told.iter().collect()
}

/// Records all of them, each of which must be acknowledged.
pub(crate) fn put(ledger: &Ledger, outcomes: impl IntoIterator<Item = Outcome>) {
    for told in record(ledger, outcomes) {
        told.unwrap();
    }
}

/// What is in `dir`, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The files of a ledger as a kill would leave them at this moment, in a folder of their own.
pub(crate) fn as_if_killed(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    // By another process: closing a file of a database in this one would drop the locks of SQLite.
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(dir.join("."))
        .arg(copy.path())
        .status()
        .unwrap();
    assert!(status.success());
    copy
}
