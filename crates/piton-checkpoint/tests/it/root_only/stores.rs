//! Power cuts under a store of jobs in SQLite: what was synced survives, from the creation of the database on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use piton_checkpoint::store::{SqliteStore, Store, Taken};
use piton_testkit::power::{BlockLog, Finding, FsKind, Unavailable, wanted_states};
use piton_testkit::seed::seed;

const SIZE: u64 = 64 << 20;
const COMMITS: u64 = 150;

/// After what a commit counts as durable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trusted {
    Sync,
    /// Which it is not: to see that the harness notices.
    Commit,
}

fn store(folder: &Path) -> SqliteStore {
    SqliteStore::new(folder.join("jobs.db"), "job").unwrap()
}

fn findings(kind: FsKind, trusted: Trusted, states: usize) -> Result<Vec<Finding>, Unavailable> {
    let log = BlockLog::create(kind, SIZE)?;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stamp = Arc::clone(&acknowledged);
    let dir = log.path();
    log.record(move || stamp.load(Ordering::SeqCst)).unwrap();
    // Three runs, the first of which creates the database; commits long enough that the WAL is copied.
    for run in 0..3 {
        let store = store(&dir);
        store.take().unwrap();
        for n in run * COMMITS + 1..=(run + 1) * COMMITS {
            let text = format!("{{\"n\":{n},\"filler\":\"{}\"}}", "x".repeat(12_000));
            let mark = store.commit(text.as_bytes()).unwrap();
            if n % 5 == 0 {
                store.sync(mark).unwrap();
            }
            if n % 5 == 0 || trusted == Trusted::Commit {
                acknowledged.store(n, Ordering::SeqCst);
            }
        }
    }
    let mut recording = log.finish().unwrap();
    let states = recording.states(seed(), states);
    Ok(recording.check(&states, check).unwrap())
}

fn numbers(taken: &Taken) -> Vec<u64> {
    let states = taken.durable.iter().chain(&taken.later);
    states
        .map(|state| {
            serde_json::from_slice::<serde_json::Value>(state).unwrap()["n"].as_u64().unwrap()
        })
        .collect()
}

fn check(folder: &Path, acknowledged: u64) -> Result<(), String> {
    for _ in 0..2 {
        let store = store(folder);
        let taken = store.take().map_err(|error| error.to_string())?;
        let numbers = numbers(&taken);
        if numbers.windows(2).any(|pair| pair[0] + 1 != pair[1]) {
            return Err(format!("a gap: {numbers:?}"));
        }
        let durable = if taken.durable.is_some() { numbers[0] } else { 0 };
        let last = numbers.last().copied().unwrap_or(0);
        // A sync settles what was acknowledged; a commit that was trusted has only to be there.
        if last < acknowledged || acknowledged.is_multiple_of(5) && durable < acknowledged {
            return Err(format!("{durable}, {last} are left of {acknowledged}"));
        }
    }
    Ok(())
}

fn survives(kind: FsKind, states: usize) {
    match findings(kind, Trusted::Sync, states) {
        Ok(findings) => assert!(findings.is_empty(), "PITON_TEST_SEED={}: {findings:#?}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}

#[test]
fn a_synced_commit_in_sqlite_survives_a_power_cut_on_ext4() {
    survives(FsKind::Ext4, wanted_states() / 2);
}

#[test]
fn a_synced_commit_in_sqlite_survives_a_power_cut_on_xfs() {
    survives(FsKind::Xfs, wanted_states() / 10);
}

#[test]
fn the_harness_sees_that_a_commit_alone_does_not() {
    match findings(FsKind::Ext4, Trusted::Commit, wanted_states() / 5) {
        Ok(findings) => assert!(!findings.is_empty(), "PITON_TEST_SEED={}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}
