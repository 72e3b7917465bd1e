//! The shutdown ioctl loses what is not durable, and nothing else.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use piton_testkit::power::{FsKind, Volume};

use super::{Omit, or_skip, replace};

const CUTS: u32 = 5;

fn keeps_what_is_synced_and_loses_a_rename_that_is_not(kind: FsKind) {
    let mut volume = or_skip!(Volume::create(kind, 64 << 20));
    let dir = volume.path();
    let mut cutting = Duration::ZERO;
    for round in 0..CUTS {
        let (synced, unsynced) = (format!("synced-{round}"), format!("unsynced-{round}"));
        replace(&dir, &synced, b"kept", Omit::Nothing).unwrap();
        replace(&dir, &unsynced, b"lost", Omit::DirectorySync).unwrap();
        assert!(dir.join(&unsynced).exists());

        let start = Instant::now();
        volume.cut_power_and_remount().unwrap();
        cutting += start.elapsed();

        assert_eq!(fs::read(dir.join(synced)).unwrap(), b"kept");
        assert!(!dir.join(&unsynced).exists(), "the harness lost nothing");
        let temporary = dir.join(unsynced).with_extension("tmp");
        assert_eq!(fs::read(temporary).unwrap(), b"lost", "the content was synced");
    }
    eprintln!("{}: {:?} per cut", kind.name(), cutting / CUTS);
}

#[test]
fn ext4() {
    keeps_what_is_synced_and_loses_a_rename_that_is_not(FsKind::Ext4);
}

#[test]
fn xfs() {
    keeps_what_is_synced_and_loses_a_rename_that_is_not(FsKind::Xfs);
}

/// What was acknowledged before the cut is there after it, wherever the cut fell.
fn cuts_a_writer_under_way(kind: FsKind) {
    let mut volume = or_skip!(Volume::create(kind, 64 << 20));
    let dir = volume.path();
    for round in 0..CUTS {
        let acknowledged = AtomicU32::new(0);
        let name = |i: u32| format!("file-{round}-{i}");
        let before = thread::scope(|scope| {
            scope.spawn(|| {
                // Until the power goes.
                for i in 0.. {
                    if replace(&dir, &name(i), &i.to_ne_bytes(), Omit::Nothing).is_err() {
                        break;
                    }
                    acknowledged.store(i + 1, Ordering::SeqCst);
                }
            });
            let patience = Instant::now() + Duration::from_secs(10);
            while acknowledged.load(Ordering::SeqCst) == 0 && Instant::now() < patience {
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(7 * u64::from(round)));
            let before = acknowledged.load(Ordering::SeqCst);
            volume.cut_power().unwrap();
            before
        });
        volume.remount().unwrap();
        assert!(before > 0, "the writer did not begin");
        for i in 0..before {
            assert_eq!(fs::read(dir.join(name(i))).unwrap(), i.to_ne_bytes(), "{i} of {before}");
        }
    }
}

#[test]
fn ext4_under_way() {
    cuts_a_writer_under_way(FsKind::Ext4);
}

#[test]
fn xfs_under_way() {
    cuts_a_writer_under_way(FsKind::Xfs);
}

#[test]
fn after_a_cut_every_write_fails_until_the_remount() {
    let mut volume = or_skip!(Volume::create(FsKind::Ext4, 0));
    let file = volume.path().join("file");
    volume.cut_power().unwrap();
    assert!(fs::write(&file, "text").is_err());
    volume.remount().unwrap();
    fs::write(&file, "text").unwrap();
}

#[test]
fn btrfs_says_why_not() {
    let reason = Volume::create(FsKind::Btrfs, 0).unwrap_err();
    assert!(reason.to_string().contains("shutdown"));
}
