//! The harness finds each broken protocol: otherwise its silence would prove nothing.

use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::fs::Fs;
use piton_durable::part::{Durability, Extent, OpenPart, Opened, Part, Target};
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk, When};

use crate::harness::Download;

#[test]
fn a_record_before_its_data_is_synced() {
    caught_by_power_cuts(Broken::RecordBeforeDataSync);
}

#[test]
fn a_journal_that_is_not_synced() {
    caught_by_power_cuts(Broken::JournalNotSynced);
}

#[test]
fn a_compaction_without_a_sync() {
    caught_by_power_cuts(Broken::CompactionWithoutSync);
}

#[test]
fn no_sync_of_the_directory() {
    caught_by_power_cuts(Broken::NoDirectorySync);
}

#[test]
fn the_journal_removed_before_the_rename() {
    caught(Broken::JournalRemovedBeforeRename, Crash::Kill, |at| {
        vec![Fault { at, failure: Failure::Crash(Crash::Kill, When::After) }]
    });
}

#[test]
fn a_removal_of_the_journal_that_is_not_synced() {
    caught_by_power_cuts(Broken::JournalRemovalNotSynced);
}

#[test]
fn a_failed_sync_tried_again() {
    const EIO: i32 = 5;
    caught(Broken::RetriedSync, Crash::Power, |at| {
        vec![
            Fault { at, failure: Failure::Error(EIO) },
            Fault { at: at + 9, failure: Failure::Crash(Crash::Power, When::After) },
        ]
    });
}

fn caught_by_power_cuts(broken: Broken) {
    caught(broken, Crash::Power, |at| {
        vec![Fault { at, failure: Failure::Crash(Crash::Power, When::After) }]
    });
}

/// Runs the download with these faults at every operation, and with several seeds, until a promise
/// is broken; which the same faults do not bring about on a healthy file system.
#[track_caller]
fn caught(broken: Broken, between: Crash, faults: impl Fn(u64) -> Vec<Fault>) {
    const SEEDS: u64 = 8;
    let operations = Download::operations(Durability::Power);
    for seed in 0..SEEDS {
        for at in 1..=operations {
            let lives: [&[Fault]; 1] = [&faults(at)];
            let mut download = Download::new(seed, Some(broken), Durability::Power);
            if let Err(text) = download.live_through(&lives, between) {
                eprintln!("{broken:?}, seed {seed}, {lives:?}: {text}");
                let mut healthy = Download::new(seed, None, Durability::Power);
                assert_eq!(healthy.live_through(&lives, between), Ok(()), "without the break");
                return;
            }
        }
    }
    panic!("{broken:?} was not noticed with {SEEDS} seeds");
}

#[test]
fn no_salt_at_compaction() {
    const SEEDS: u64 = 100;
    let believed =
        |broken| (0..SEEDS).filter(|seed| old_claim_comes_back(*seed, broken)).collect::<Vec<_>>();
    assert_eq!(believed(None), [0; 0], "with salts nothing comes back");
    let unsalted = believed(Some(Broken::NoSaltAtCompaction));
    assert!(!unsalted.is_empty(), "not noticed with {SEEDS} seeds");
}

/// The new journal of a compaction ends with a disk block; the next block it gets is one of the old
/// journal, with a record that has just the next sequence number. Whether it is believed after a
/// power cut.
fn old_claim_comes_back(seed: u64, broken: Option<Broken>) -> bool {
    const WRONG: [u8; 100] = [0xee; 100];
    const RIGHT: [u8; 100] = [0x11; 100];
    let disk = SimDisk::seeded(seed);
    let fs: Arc<dyn Fs> = match broken {
        Some(broken) => Arc::new(Sabotage::new(disk.clone(), broken)),
        None => Arc::new(disk.clone()),
    };
    let target = Target::new("/file".into());
    let open = || match Part::open(fs.clone(), &target, OpenPart::default()).unwrap() {
        Opened::Part(part, recovered) => (part, recovered),
        Opened::Finished => panic!("nothing was finished"),
    };
    let put = |part: &Part, start: u64, bytes: &[u8]| {
        part.write(bytes, start).unwrap();
        part.claim(Extent { start, len: bytes.len() as u64, crc: crc32c(bytes) }).unwrap();
    };

    let (part, _) = open();
    // Header 32, description 25 + 3916, two claims of 45 and a `Synced` of 33: 4096.
    part.begin(&[b'm'; 3916], None).unwrap();
    put(&part, 0, &RIGHT);
    put(&part, 500, &RIGHT);
    part.checkpoint().unwrap();
    assert_eq!(disk.bytes(target.journal()).unwrap().len(), 4096);
    put(&part, 1000, &WRONG);
    part.checkpoint().unwrap();
    part.forget(1000..1100).unwrap();
    assert_eq!(disk.bytes(target.journal()).unwrap().len(), 4096);
    put(&part, 1000, &RIGHT);
    // Long enough to let the old claim and its `Synced` show, and not the `Forget` behind them.
    part.put_hash(1, &[0; 20]).unwrap();

    disk.crash(Crash::Power);
    disk.restart();
    let (_, recovered) = open();
    recovered.extents.iter().any(|extent| extent.start == 1000 && extent.crc == crc32c(&WRONG))
}
