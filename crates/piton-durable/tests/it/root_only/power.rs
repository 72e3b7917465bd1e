//! Power cuts on real file systems, over downloads with three writers.
//!
//! `PITON_POWER_STATES` says how many crash states of ext4 and of btrfs are tried (500 if it is not
//! set), of xfs a fifth of it; and how many cuts by the shutdown ioctl, a twenty-fifth of it.
//! `PITON_TEST_SEED` draws others.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use piton_durable::fs::{Fs, OsFs};
use piton_testkit::disk::{Broken, Sabotage};
use piton_testkit::power::{
    BlockLog, CrashState, Finding, FsKind, Layer, Recording, Unavailable, Volume, wanted_states,
};
use piton_testkit::seed::{draw, seed};

use crate::transfer::{Ledger, check, lay_out, run};

const SIZE: u64 = 64 << 20;
/// One state in so many is gone on from, to the end of all downloads.
const GONE_ON_FROM: usize = 10;
/// A broken protocol is looked for in so many states at a time, until it shows.
const BATCH: usize = 50;

fn disk(broken: Option<Broken>) -> Arc<dyn Fs> {
    match broken {
        Some(broken) => Arc::new(Sabotage::new(OsFs, broken)),
        None => Arc::new(OsFs),
    }
}

#[test]
fn block_log_ext4() {
    block_log(FsKind::Ext4, Layer::Plain, wanted_states());
}

#[test]
fn block_log_xfs() {
    block_log(FsKind::Xfs, Layer::Plain, wanted_states() / 5);
}

#[test]
fn block_log_btrfs() {
    block_log(FsKind::Btrfs, Layer::Plain, wanted_states());
}

/// As in containers.
#[test]
fn block_log_an_overlay_on_ext4() {
    block_log(FsKind::Ext4, Layer::Overlay, wanted_states() / 2);
}

#[test]
fn block_log_an_overlay_on_btrfs() {
    block_log(FsKind::Btrfs, Layer::Overlay, wanted_states() / 2);
}

fn block_log(kind: FsKind, layer: Layer, count: usize) {
    let (mut recording, ledger) = match record(kind, layer, None) {
        Ok(recorded) => recorded,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let start = Instant::now();
    let states = recording.states(seed(), count);
    let findings = look_at(&mut recording, &ledger, &states);
    let (flushes, took) = (recording.flushes(), start.elapsed());
    eprintln!("{}: {} states, {flushes} flushes, in {took:?}", kind.name(), states.len());
    assert!(findings.is_empty(), "PITON_TEST_SEED={}: {findings:#?}", seed());
}

/// The harness sees what is broken; if it did not, its silence would prove nothing.
#[test]
fn block_log_catches_a_record_before_its_data_is_synced() {
    caught_by_block_log(Broken::RecordBeforeDataSync);
}

#[test]
fn block_log_catches_a_journal_that_is_not_synced() {
    caught_by_block_log(Broken::JournalNotSynced);
}

#[test]
fn block_log_catches_a_compaction_without_a_sync() {
    caught_by_block_log(Broken::CompactionWithoutSync);
}

#[test]
fn block_log_catches_a_missing_sync_of_the_directory() {
    caught_by_block_log(Broken::NoDirectorySync);
}

fn caught_by_block_log(broken: Broken) {
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        let (mut recording, ledger) = match record(kind, Layer::Plain, Some(broken)) {
            Ok(recorded) => recorded,
            Err(reason) => return piton_testkit::skip(reason),
        };
        let mut states = recording.states(seed(), 4 * wanted_states());
        // A rename that is not durable shows only until something else takes it to the disk.
        states.sort_by_key(|state| {
            (!ledger.ends_with_a_finish(state.acknowledged), draw(state.flushes as u64, u64::MAX))
        });
        let mut batches = states.chunks(BATCH);
        let caught = batches.position(|batch| !look_at(&mut recording, &ledger, batch).is_empty());
        match caught {
            Some(batch) => eprintln!("{}: within {} states", kind.name(), (batch + 1) * BATCH),
            None => panic!("{broken:?} was not noticed on {}, seed {}", kind.name(), seed()),
        }
    }
}

/// Records all downloads on a disk that logs.
fn record(
    kind: FsKind,
    layer: Layer,
    broken: Option<Broken>,
) -> Result<(Recording, Arc<Ledger>), Unavailable> {
    let log = BlockLog::create_with(kind, layer, SIZE)?;
    let dir = log.path();
    lay_out(&dir);
    let ledger = Arc::new(Ledger::default());
    let stamp = Arc::clone(&ledger);
    log.record(move || stamp.count()).unwrap();
    run(&disk(broken), &dir, &ledger).unwrap();
    Ok((log.finish().unwrap(), ledger))
}

fn look_at(recording: &mut Recording, ledger: &Ledger, states: &[CrashState]) -> Vec<Finding> {
    let mut turn = 0;
    let findings = recording.check(states, |dir, acknowledged| {
        turn += 1;
        check(dir, &ledger.first(acknowledged), turn % GONE_ON_FROM == 0)
    });
    findings.unwrap()
}

#[test]
fn shutdown_ext4() {
    shutdown(FsKind::Ext4);
}

#[test]
fn shutdown_xfs() {
    shutdown(FsKind::Xfs);
}

fn shutdown(kind: FsKind) {
    let start = Instant::now();
    let cuts = (wanted_states() / 25) as u64;
    match cut(kind, None, cuts) {
        Ok(None) => eprintln!("{}: {cuts} cuts in {:?}", kind.name(), start.elapsed()),
        Ok(Some(problem)) => panic!("PITON_TEST_SEED={}: {problem}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}

#[test]
fn shutdown_catches_what_is_broken() {
    for kind in [FsKind::Ext4, FsKind::Xfs] {
        for broken in [
            Broken::RecordBeforeDataSync,
            Broken::JournalNotSynced,
            Broken::CompactionWithoutSync,
            Broken::NoDirectorySync,
        ] {
            match cut(kind, Some(broken), 4 * wanted_states() as u64 / 25) {
                Ok(Some(problem)) => eprintln!("{}: {broken:?}: {problem}", kind.name()),
                Ok(None) => {
                    panic!("{broken:?} was not noticed on {}, seed {}", kind.name(), seed())
                }
                Err(reason) => return piton_testkit::skip(reason),
            }
        }
    }
}

/// Cuts the power under downloads that often, or until something is wrong.
fn cut(kind: FsKind, broken: Option<Broken>, cuts: u64) -> Result<Option<String>, Unavailable> {
    let mut volume = Volume::create(kind, SIZE)?;
    for round in 0..cuts {
        let dir = lay_out_durably(&volume, round);
        // Now and then just after the first promise, or after the last.
        let moment = match round % 4 {
            0 => 1,
            3 => u64::MAX,
            _ => draw(round, 400),
        };
        let ledger = Ledger::gated(moment);
        let promised = thread::scope(|scope| {
            // Fails as soon as the power is gone.
            let writer = scope.spawn(|| run(&disk(broken), &dir, &ledger).is_err());
            while ledger.count() < moment && !writer.is_finished() {
                thread::sleep(Duration::from_micros(200));
            }
            // Before the cut: a sync that is under way may answer while it comes.
            let promised = ledger.count();
            volume.cut_power().unwrap();
            ledger.open_gate();
            promised
        });
        volume.remount().unwrap();
        if let Err(problem) = check(&dir, &ledger.first(promised), true) {
            return Ok(Some(format!("cut {round} after {promised} promises: {problem}")));
        }
        fs::remove_dir_all(&dir).unwrap();
    }
    Ok(None)
}

/// A folder with old files that no cut will take away.
fn lay_out_durably(volume: &Volume, round: u64) -> PathBuf {
    let dir = volume.path().join(format!("round-{round}"));
    fs::create_dir(&dir).unwrap();
    lay_out(&dir);
    for entry in fs::read_dir(&dir).unwrap() {
        fs::File::open(entry.unwrap().path()).unwrap().sync_all().unwrap();
    }
    for dir in [&dir, &volume.path()] {
        fs::File::open(dir).unwrap().sync_all().unwrap();
    }
    dir
}
