//! The block log finds a missing directory sync, and accuses nobody who is innocent.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use piton_testkit::power::{BlockLog, CrashState, FsKind, Recording};

use super::{or_skip, replace};

const FILES: u64 = 30;
const LENGTH: usize = 20_000;

/// Records how files are put under their names, one acknowledged after the other.
fn record(log: BlockLog, sync_directory: bool) -> Recording {
    let dir = log.path();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stamp = Arc::clone(&acknowledged);
    log.record(move || stamp.load(Ordering::SeqCst)).unwrap();
    for i in 0..FILES {
        replace(&dir, &format!("file-{i}"), &[i as u8; LENGTH], sync_directory).unwrap();
        acknowledged.store(i + 1, Ordering::SeqCst);
    }
    log.finish().unwrap()
}

fn check(dir: &Path, acknowledged: u64) -> Result<(), String> {
    for i in 0..acknowledged {
        let content = fs::read(dir.join(format!("file-{i}")))
            .map_err(|error| format!("file {i}: {error}"))?;
        if content != [i as u8; LENGTH] {
            return Err(format!("file {i} has other bytes"));
        }
    }
    // What a check writes must not reach the next state.
    match fs::create_dir(dir.join("visited")) {
        Ok(()) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn finds_only_the_missing_sync(kind: FsKind, count: usize) {
    let mut guilty = record(or_skip!(BlockLog::create(kind, 64 << 20)), false);
    let states = guilty.states(1, count);
    let findings = guilty.check(&states, check).unwrap();
    eprintln!("{}: no directory sync: {} of {} states", kind.name(), findings.len(), states.len());
    assert!(!findings.is_empty());
    drop(guilty);

    let mut innocent = record(or_skip!(BlockLog::create(kind, 64 << 20)), true);
    assert!(innocent.flushes() as u64 >= FILES, "flushes do not arrive");
    let states = innocent.states(2, count);
    assert!(states.iter().any(|state| state.acknowledged > 0));
    let start = Instant::now();
    let findings = innocent.check(&states, check).unwrap();
    eprintln!("{}: {:?} per state", kind.name(), start.elapsed() / states.len() as u32);
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn ext4() {
    finds_only_the_missing_sync(FsKind::Ext4, 60);
}

#[test]
fn xfs() {
    finds_only_the_missing_sync(FsKind::Xfs, 20);
}

#[test]
fn btrfs() {
    finds_only_the_missing_sync(FsKind::Btrfs, 60);
}

#[test]
fn a_seed_draws_the_same_states_again_and_none_twice() {
    let recording = record(or_skip!(BlockLog::create(FsKind::Ext4, 0)), true);
    let states = recording.states(3, 100);
    assert_eq!(states.len(), 100);
    assert_eq!(states, recording.states(3, 100));
    assert_ne!(states, recording.states(4, 100));
    let distinct: std::collections::HashSet<CrashState> = states.iter().copied().collect();
    assert_eq!(distinct.len(), 100);
}
