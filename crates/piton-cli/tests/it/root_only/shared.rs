//! Copies of files of this machine on file systems that share bytes between files (reflinks).

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use piton_testkit::power::{BlockLog, FsKind};
use piton_testkit::server::{MIB, pattern};
use piton_testkit::syscalls::available;

use crate::command::Place;
use crate::crashes::a_copy_below;

const PATTERN: u64 = 3;

#[test]
fn a_copy_at_every_syscall_on_xfs() {
    at_every_syscall(FsKind::Xfs);
}

#[test]
fn a_copy_at_every_syscall_on_btrfs() {
    at_every_syscall(FsKind::Btrfs);
}

fn at_every_syscall(kind: FsKind) {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let disk = match BlockLog::create(kind, 400 * MIB) {
        Ok(disk) => disk,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let hits = a_copy_below(&disk.path());
    let is_hit = |name| hits.contains(&(name, "file.bin.part".into()));
    assert!(is_hit("ioctl") && !is_hit("fallocate") && is_hit("fdatasync"), "{hits:#?}");
}

#[test]
fn a_copy_on_xfs_takes_no_space_twice() {
    no_space_twice(FsKind::Xfs);
}

#[test]
fn a_copy_on_btrfs_takes_no_space_twice() {
    no_space_twice(FsKind::Btrfs);
}

/// Also where there is no room for it twice, and with a digest; and in two runs, of which the first was killed.
fn no_space_twice(kind: FsKind) {
    let disk = match BlockLog::create(kind, 300 * MIB) {
        Ok(disk) => disk,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let (dir, place) = (disk.path(), Place::new());
    let bytes = pattern::bytes(PATTERN, 180 * MIB as usize + 77);
    let source = dir.join("source");
    fs::write(&source, &bytes).unwrap();
    let source_file = fs::File::options().write(true).open(&source).unwrap();
    source_file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    source_file.sync_all().unwrap();
    if kind == FsKind::Xfs {
        // So little is left that no second copy of anything fits. (btrfs refuses new files then.)
        let free = rustix::fs::statvfs(&dir).map(|stat| stat.f_bavail * stat.f_frsize).unwrap();
        fs::write(dir.join("filler"), vec![7; (free - 12 * MIB) as usize]).unwrap();
        rustix::fs::syncfs(&source_file).unwrap();
    }
    let before = held(&dir);
    let command = |options: &[&str]| {
        let mut command = place.command(&["--config", "none", "get", "-x", "4", "-o"]);
        command.arg(dir.join("file")).args(options);
        command.arg(format!("file://{}", source.display()));
        command
    };
    for _ in 0..2 {
        let mut killed = command(&["--quiet", "--limit-rate", "40M"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(dir.join("file.piton").exists() && !dir.join("file").exists());
    }
    let output = command(&["--json"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let started = told.lines().find(|line| line.contains("\"started\"")).unwrap();
    assert!(!started.contains("\"resumed\":0,"), "{started}");

    assert!(fs::read(dir.join("file")).unwrap() == bytes);
    rustix::fs::syncfs(&source_file).unwrap();
    let grown = held(&dir).saturating_sub(before);
    assert!(grown < 8 * MIB, "{}: {grown} bytes more are held", kind.name());
}

fn held(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}
