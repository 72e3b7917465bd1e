//! The block log finds a missing sync of data or directory, and accuses nobody who is innocent.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use piton_testkit::power::{
    BlockLog, CrashState, Failing, FailingDisk, FsKind, Layer, Recording, Volume,
};

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

/// A process in a mount namespace of its own, in which everything stays mounted that is mounted now.
struct Onlooker(Child);

impl Onlooker {
    fn start(sees: &Path) -> Self {
        // Tells when it is there; private, so that nothing is unmounted there when it is here.
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", "echo; exec sleep 1000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let mounts = fs::read_to_string(format!("/proc/{}/mounts", child.id())).unwrap();
        assert!(mounts.contains(sees.to_str().unwrap()), "it does not see {}", sees.display());
        Self(child)
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Neither losses that are none, nor blindness: what is mounted is the state that was built.
#[test]
fn a_namespace_of_another_process_fools_nobody() {
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        for omit in [Omit::DirectorySync, Omit::Nothing] {
            let log = or_skip!(BlockLog::create(kind, 64 << 20));
            let recorded = Onlooker::start(&log.path());
            let mut recording = record(log, omit);
            let states = recording.states(1, 12);
            let mut onlookers = vec![recorded];
            let findings = recording.check(&states, |dir, acknowledged| {
                if onlookers.len() < 3 {
                    onlookers.push(Onlooker::start(dir));
                }
                check(dir, acknowledged)
            });
            let wrong = findings.unwrap().len();
            assert_eq!(wrong == 0, omit == Omit::Nothing, "{}, omitting {omit:?}", kind.name());
        }
    }
}

#[test]
fn a_failing_disk_and_a_volume_are_seen_as_they_are_too() {
    let mut disk = or_skip!(FailingDisk::create(FsKind::Ext4, Layer::Plain, 64 << 20));
    let onlooker = Onlooker::start(&disk.path());
    disk.fail(Failing::Everything);
    fs::write(disk.path().join("lost"), "never reaches the disk").unwrap();
    disk.remount().unwrap();
    assert!(!disk.path().join("lost").exists(), "what is shown is in memory only");
    drop(onlooker);

    let mut volume = or_skip!(Volume::create(FsKind::Ext4, 64 << 20));
    let _onlooker = Onlooker::start(&volume.path());
    fs::write(volume.path().join("lost"), "never reaches the disk").unwrap();
    volume.cut_power_and_remount().unwrap();
    assert!(!volume.path().join("lost").exists());
    fs::write(volume.path().join("new"), "it is no longer shut down").unwrap();
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
