//! A disk without room.

use piton_checkpoint::ledger::{Ledger, LedgerError, State};
use piton_testkit::SmallDisk;

use crate::book::{NOW, POWER, done, key, names, path_in, put, record};

#[test]
fn a_disk_that_fills_up_keeps_what_was_acknowledged_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("size=2m") else { return };
    let ballast = disk.path().join("ballast");
    // What the WAL holds must find room in the ledger too before the WAL starts over.
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let ledger = Ledger::open(&path_in(disk.path()), &POWER).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        // One at a time: of a group that does not fit, a smaller one behind it may.
        match record(&ledger, [done(acknowledged)]).pop().unwrap() {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LedgerError::Full { .. }), "{error:?}");
    assert!(acknowledged > 20, "{acknowledged}");
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
