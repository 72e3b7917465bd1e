//! The shutdown ioctl loses what is not durable, and nothing else.

use std::fs;
use std::time::Instant;

use piton_testkit::power::{FsKind, Volume};

use super::{or_skip, replace};

const CUTS: u32 = 5;

fn keeps_what_is_synced_and_loses_a_rename_that_is_not(kind: FsKind) {
    let mut volume = or_skip!(Volume::create(kind, 64 << 20));
    let dir = volume.path();
    let mut cutting = std::time::Duration::ZERO;
    for round in 0..CUTS {
        let (synced, unsynced) = (format!("synced-{round}"), format!("unsynced-{round}"));
        replace(&dir, &synced, b"kept", true).unwrap();
        replace(&dir, &unsynced, b"lost", false).unwrap();
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
