//! Nothing is left behind: not by a driver that is dropped, not by one that panics, and not for
//! long by one that is killed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use piton_testkit::power::{BlockLog, FsKind, Volume};

use super::or_skip;
use crate::child;

/// The directory with the image and the mounts.
fn scratch(mounted: &Path) -> PathBuf {
    mounted.parent().unwrap().to_owned()
}

/// Why something of it is still there, if it is.
fn remains(scratch: &Path) -> Option<String> {
    let name = scratch.to_str().unwrap();
    if scratch.exists() {
        return Some(format!("{name} is still there"));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    if let Some(mount) = mounts.lines().find(|line| line.contains(name)) {
        return Some(format!("still mounted: {mount}"));
    }
    fs::read_dir("/sys/block").unwrap().find_map(|block| {
        let backing = block.unwrap().path().join("loop/backing_file");
        let file = fs::read_to_string(&backing).unwrap_or_default();
        file.contains(name).then(|| format!("still attached: {}", backing.display()))
    })
}

/// A process that another test forks holds all open files until it becomes its program: a moment's
/// grace.
fn assert_gone(scratch: &Path) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while let Some(remains) = remains(scratch) {
        assert!(Instant::now() < deadline, "{remains}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn after_a_panic() {
    let mut scratches = Vec::new();
    let volume = or_skip!(Volume::create(FsKind::Ext4, 0));
    let log = or_skip!(BlockLog::create(FsKind::Ext4, 0));
    scratches.extend([scratch(&volume.path()), scratch(&log.path())]);
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = (
            fs::File::create(volume.path().join("open")),
            fs::File::create(log.path().join("open")),
        );
        let _dropped_first = (volume, log);
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    // The files that were open at the drop of the drivers are closed a little later.
    scratches.iter().for_each(|scratch| assert_gone(scratch));
}

#[test]
fn after_a_kill() {
    drop(or_skip!(BlockLog::create(FsKind::Ext4, 0)));
    let killed = child::program("abandon", Path::new("/nonexistent")).command().output().unwrap();
    let said = String::from_utf8(killed.stdout).unwrap();
    let left: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("left:"))
        .map(|path| scratch(path.as_ref()))
        .collect();
    assert_eq!(left.len(), 2, "{said}");

    let next = or_skip!(Volume::create(FsKind::Ext4, 0));
    left.iter().for_each(|scratch| assert_gone(scratch));
    assert!(next.path().exists());
}
