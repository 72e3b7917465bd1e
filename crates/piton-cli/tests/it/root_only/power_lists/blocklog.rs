//! Crash states of a recorded disk that holds the files of a list and its ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton_testkit::disk::Broken;
use piton_testkit::power::{
    BlockLog, CrashState, Finding, FsKind, Recording, Unavailable, wanted_states,
};
use piton_testkit::seed::seed;
use piton_testkit::server::MIB;

use super::broken;
use super::job::{Job, Room, wait};

const SIZE: u64 = 128 * MIB;
/// One state in so many is gone on from, to the end of the list.
const GONE_ON_FROM: usize = 10;
/// A broken protocol is looked for in so many states at a time, until it shows.
const BATCH: usize = 25;

#[test]
fn block_log_ext4() {
    survives(FsKind::Ext4, wanted_states() / 5);
}

#[test]
fn block_log_xfs() {
    survives(FsKind::Xfs, wanted_states() / 16);
}

/// Its log leaves out what has no name: a file that was synced and then named could be empty.
#[test]
fn block_log_btrfs() {
    survives(FsKind::Btrfs, wanted_states() / 5);
}

fn survives(kind: FsKind, count: usize) {
    let job = Job::new();
    let mut recording = match record(kind, |room, acknowledged| {
        let mut child = job.start(room, &[]);
        // What a reader sees is synced. Nothing is lost by looking seldom: the count is one that holds.
        while child.try_wait().unwrap().is_none() {
            let claimed = job.claimed(&room.ledger).unwrap().len() as u64;
            acknowledged.store(claimed, Ordering::SeqCst);
            sleep(Duration::from_millis(5));
        }
        assert!(wait(&mut child).success());
    }) {
        Ok(recording) => recording,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let start = Instant::now();
    let states = recording.states(seed(), count);
    let (findings, met) = look_at(&job, &mut recording, &states);
    let (flushes, took) = (recording.flushes(), start.elapsed());
    eprintln!(
        "{}: {} states, {met} within, {flushes} flushes, {took:?}",
        kind.name(),
        states.len()
    );
    assert!(findings.is_empty(), "PITON_TEST_SEED={}: {findings:#?}", seed());
    assert!(met > 0, "PITON_TEST_SEED={}", seed());
}

/// The harness sees files that got their names before their bytes were synced.
#[test]
fn block_log_catches_names_before_their_bytes() {
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        let job = Job::new();
        let run = |room: &Room, _: &AtomicU64| {
            broken::run(&job, room, Some(Broken::NamedBeforeDataSync));
        };
        let mut recording = match record(kind, run) {
            Ok(recording) => recording,
            Err(reason) => return piton_testkit::skip(reason),
        };
        let states = recording.states(seed(), wanted_states());
        let mut batches = states.chunks(BATCH);
        let caught = batches.position(|batch| !look_at(&job, &mut recording, batch).0.is_empty());
        match caught {
            Some(batch) => eprintln!("{}: within {} states", kind.name(), (batch + 1) * BATCH),
            None => panic!("it was not noticed on {}, seed {}", kind.name(), seed()),
        }
    }
}

/// Records what `run` does to a disk of its own. It is given where to note how many items are done.
fn record(kind: FsKind, run: impl FnOnce(&Room, &AtomicU64)) -> Result<Recording, Unavailable> {
    let log = BlockLog::create(kind, SIZE)?;
    let acknowledged = Arc::new(AtomicU64::new(0));
    let stamp = Arc::clone(&acknowledged);
    log.record(move || stamp.load(Ordering::SeqCst)).unwrap();
    run(&Room::in_one(&log.path()), &acknowledged);
    Ok(log.finish().unwrap())
}

/// What is wrong with these states; and in how many of them some items were done and some not.
fn look_at(job: &Job, recording: &mut Recording, states: &[CrashState]) -> (Vec<Finding>, usize) {
    let (mut turn, mut met) = (0, 0);
    let findings = recording.check(states, |dir, acknowledged| {
        let room = Room::in_one(dir);
        let done = job.check(&room)?;
        met += usize::from(!done.is_empty() && (done.len() as u64) < super::job::FILES);
        if (done.len() as u64) < acknowledged {
            return Err(format!("of {acknowledged} items done {} are left", done.len()));
        }
        turn += 1;
        if turn % GONE_ON_FROM == 0 { job.goes_on(&room, &done) } else { Ok(()) }
    });
    (findings.unwrap(), met)
}
