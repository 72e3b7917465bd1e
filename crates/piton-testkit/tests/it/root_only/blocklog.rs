//! The block log finds a missing sync of data or directory, and accuses nobody who is innocent.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use piton_testkit::power::{BlockLog, CrashState, FsKind, Recording};

use super::{Omit, or_skip, replace};

const FILES: u64 = 30;
const LENGTH: usize = 20_000;

/// Records how files are put under their names, one acknowledged after the other.
fn record(log: BlockLog, omit: Omit) -> Recording {
    let dir = log.path();
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stamp = Arc::clone(&acknowledged);
    log.record(move || stamp.load(Ordering::SeqCst)).unwrap();
    for i in 0..FILES {
        replace(&dir, &format!("file-{i}"), &[i as u8; LENGTH], omit).unwrap();
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

fn finds_what_is_missing_and_only_that(kind: FsKind, count: usize) {
    for omit in [Omit::DataSync, Omit::DirectorySync, Omit::Nothing] {
        let mut recording = record(or_skip!(BlockLog::create(kind, 64 << 20)), omit);
        let states = recording.states(1, count);
        assert!(states.iter().any(|state| state.acknowledged > 0));
        let start = Instant::now();
        let findings = recording.check(&states, check).unwrap();
        eprintln!(
            "{}: omitting {omit:?}: {} of {} states are wrong, {:?} per state",
            kind.name(),
            findings.len(),
            states.len(),
            start.elapsed() / states.len() as u32
        );
        if omit == Omit::Nothing {
            assert!(recording.flushes() as u64 >= FILES, "flushes do not arrive");
            assert!(findings.is_empty(), "{findings:#?}");
        } else {
            assert!(!findings.is_empty(), "the harness is blind");
        }
    }
}

#[test]
fn ext4() {
    finds_what_is_missing_and_only_that(FsKind::Ext4, 60);
}

#[test]
fn xfs() {
    finds_what_is_missing_and_only_that(FsKind::Xfs, 20);
}

#[test]
fn btrfs() {
    finds_what_is_missing_and_only_that(FsKind::Btrfs, 60);
}

#[test]
fn a_seed_draws_the_same_states_again_and_none_twice() {
    let recording = record(or_skip!(BlockLog::create(FsKind::Ext4, 0)), Omit::Nothing);
    let states = recording.states(3, 100);
    assert_eq!(states.len(), 100);
    assert_eq!(states, recording.states(3, 100));
    assert_ne!(states, recording.states(4, 100));
    let distinct: std::collections::HashSet<CrashState> = states.iter().copied().collect();
    assert_eq!(distinct.len(), 100);
}
