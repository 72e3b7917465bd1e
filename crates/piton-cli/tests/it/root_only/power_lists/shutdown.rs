//! Cuts by the shutdown ioctl at drawn moments of `piton get -i`.

use std::fs::{self, File};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton_testkit::power::{FsKind, Unavailable, Volume, wanted_states};
use piton_testkit::seed::{draw, seed};
use piton_testkit::server::MIB;

use super::job::{Done, FILES, Job, Room, wait};

const SIZE: u64 = 256 * MIB;

/// Where the ledger is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// With the files, on the volume that is cut.
    Cut,
    /// On a disk that keeps all: an outcome that came too early is never lost with its file.
    Safe,
}

#[test]
fn shutdown_ext4() {
    survives(FsKind::Ext4, At::Cut);
}

#[test]
fn shutdown_xfs() {
    survives(FsKind::Xfs, At::Cut);
}

#[test]
fn shutdown_ext4_with_the_ledger_elsewhere() {
    survives(FsKind::Ext4, At::Safe);
}

#[test]
fn shutdown_xfs_with_the_ledger_elsewhere() {
    survives(FsKind::Xfs, At::Safe);
}

fn survives(kind: FsKind, at: At) {
    let start = Instant::now();
    match cuts(kind, at, &[]) {
        Ok((None, met)) => {
            eprintln!("{} {at:?}: {met} cuts met a run, {:?}", kind.name(), start.elapsed());
            assert!(met > 0, "PITON_TEST_SEED={}", seed());
        }
        Ok((Some(problem), _)) => panic!("PITON_TEST_SEED={}: {problem}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}

/// The harness sees outcomes that come before their files are durable; if it did not, its silence would
/// prove nothing.
#[test]
fn shutdown_catches_outcomes_of_files_that_are_not_synced() {
    for kind in [FsKind::Ext4, FsKind::Xfs] {
        match cuts(kind, At::Safe, &["--durability", "process"]) {
            Ok((problem, _)) => {
                let caught = problem.as_ref().is_some_and(|problem| problem.contains("done"));
                assert!(caught, "{} {problem:?}, PITON_TEST_SEED={}", kind.name(), seed());
            }
            Err(reason) => return piton_testkit::skip(reason),
        }
    }
}

/// Cuts until something is wrong. Also says how many cuts met a run with some items done and some not.
fn cuts(kind: FsKind, at: At, options: &[&str]) -> Result<(Option<String>, u64), Unavailable> {
    let mut volume = Volume::create(kind, SIZE)?;
    let job = Job::new();
    let mut met = 0;
    for round in 0..wanted_states() as u64 / 60 {
        let dir = volume.path().join(round.to_string());
        fs::create_dir(&dir).unwrap();
        File::open(volume.path()).unwrap().sync_all().unwrap();
        let mut room = Room::in_one(&dir);
        if at == At::Safe {
            room.ledger = job.place.path(&format!("{round}.db"));
        }
        match cut(&mut volume, &job, &room, at, round, options) {
            Ok(done) => met += u64::from(!done.is_empty() && (done.len() as u64) < FILES),
            Err(problem) => {
                return Ok((Some(format!("{} {at:?} {round}: {problem}", kind.name())), met));
            }
        }
        fs::remove_dir_all(dir).unwrap();
    }
    Ok((None, met))
}

/// Returns what was done before the cut.
fn cut(
    volume: &mut Volume,
    job: &Job,
    room: &Room,
    at: At,
    round: u64,
    options: &[&str],
) -> Result<Done, String> {
    let jobs = (1 + draw(round, 16)).to_string();
    let wanted = job.requests() + draw(round + 100, FILES) as usize;
    let mut child = job.start(room, &[&["-j", &jobs], options].concat());
    while job.requests() < wanted && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(draw(round + 200, 40)));
    let ended = child.try_wait().unwrap();
    let claimed = match at {
        At::Cut => {
            let claimed = job.claimed(&room.ledger);
            volume.cut_power().unwrap();
            child.kill().unwrap();
            claimed
        }
        // After a cut the sync that was in flight may answer that all is well, and that must not reach
        // a ledger whose disk goes on.
        At::Safe => {
            child.kill().unwrap();
            wait(&mut child);
            let claimed = job.claimed(&room.ledger);
            volume.cut_power().unwrap();
            claimed
        }
    };
    wait(&mut child);
    volume.remount().unwrap();
    if let Some(status) = ended.filter(|status| !status.success()) {
        return Err(format!("it ended with {status}"));
    }
    let claimed = claimed.map_err(|error| error.to_string())?;
    let done = job.check(room)?;
    if let Some(number) = claimed.difference(&done).next() {
        return Err(format!("{number} was done, and its outcome is gone"));
    }
    job.goes_on(room, &done)?;
    Ok(claimed)
}
