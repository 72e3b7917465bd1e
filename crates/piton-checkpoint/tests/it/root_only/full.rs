//! A disk without room.

use std::path::Path;
use std::process::Command;

use piton_checkpoint::ledger::{Ledger, LedgerError, State};

use crate::book::{NOW, POWER, done, key, names, path_in, put, record};

/// A small tmpfs, unmounted when dropped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            piton_testkit::skip("a full disk needs root, to mount a small tmpfs");
        }
        mounted.then_some(Self { dir })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_keeps_what_was_acknowledged_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("size=1536k") else { return };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 512 << 10]).unwrap();
    let ledger = Ledger::open(&path_in(disk.path()), &POWER).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        let told = record(&ledger, (acknowledged..acknowledged + 50).map(done));
        assert_eq!(told.len(), 50);
        if let Some(error) = told.iter().find_map(|told| told.clone().err()) {
            assert!(told.iter().all(Result::is_err), "all of the group, or none");
            break error;
        }
        acknowledged += 50;
    };
    assert!(matches!(error, LedgerError::Full { .. }), "{error:?}");
    assert!(acknowledged > 500, "{acknowledged}");
    let mut reader = ledger.reader().unwrap();
    assert_eq!(reader.totals().unwrap().of(State::Done).items, acknowledged);
    assert!((0..acknowledged).all(|n| reader.lookup(&key(n)).unwrap().is_some()));
    assert_eq!(reader.lookup(&key(acknowledged)).unwrap(), None);
    drop(reader);

    std::fs::remove_file(ballast).unwrap();
    put(&ledger, (acknowledged..acknowledged + 50).map(done));
    ledger.close().unwrap();
    let ledger = Ledger::open(&path_in(disk.path()), &POWER).unwrap();
    let totals = ledger.reader().unwrap().totals().unwrap();
    assert_eq!(totals.of(State::Done).items, acknowledged + 50);
}

#[test]
fn a_ledger_that_finds_no_room_to_begin_leaves_nothing() {
    for options in ["size=16k", "nr_inodes=1", "nr_inodes=2", "nr_inodes=3"] {
        let Some(disk) = SmallDisk::mount(options) else { return };
        let error = Ledger::open(&path_in(disk.path()), &POWER).err();
        let Some(error) = error else { panic!("{options} was enough") };
        // SQLite does not say why it could not make its WAL.
        let said = matches!(error, LedgerError::Full { .. } | LedgerError::Sqlite { .. });
        assert!(said, "{options}: {error:?}");
        // With room for the first files only, an empty ledger may stand; nothing half made does.
        let left = names(disk.path());
        assert!(left.iter().all(|name| name == "list.piton.db"), "{options}: {left:?}");
    }
}

#[test]
fn a_disk_without_room_for_the_recorder_says_so() {
    let Some(disk) = SmallDisk::mount("size=1m") else { return };
    let ledger = Ledger::open(&path_in(disk.path()), &POWER).unwrap();
    let _ = std::fs::write(disk.path().join("ballast"), vec![0; 1 << 20]);
    let begun: Vec<_> = (0..1_000).map(|n| ledger.begin(key(n), 1, NOW)).collect();
    let refused = begun.iter().filter_map(|begun| begun.as_ref().err()).collect::<Vec<_>>();
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|error| matches!(error, LedgerError::Full { .. })), "{refused:?}");
}
