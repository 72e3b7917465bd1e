//! Journals that would grow without end (G8): many small claims, of which none is ever synced.

use std::fs;
use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::fs::OsFs;
use piton_durable::journal::{self, MAX_HASH_STATE, MAX_JOURNAL, Record};
use piton_durable::part::{Durability, Extent, OpenPart, Opened, Part, Target};
use piton_testkit::disk::{Failure, Fault, SimDisk};

use crate::real::{finish, open};

/// Bytes that trickle in and are claimed one by one.
const TRICKLE: usize = 1_600_000;
const HASH: u8 = 1;

fn bytes() -> Vec<u8> {
    (0..TRICKLE).map(|at| (at % 251) as u8).collect()
}

fn claim(part: &Part, bytes: &[u8], at: usize) {
    let crc = crc32c(&bytes[at..=at]);
    part.claim(Extent { start: at as u64, len: 1, crc }).unwrap();
}

fn len(target: &Target) -> u64 {
    fs::metadata(target.journal()).unwrap().len()
}

#[test]
fn one_that_is_never_synced_stays_short_and_the_next_run_believes_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let bytes = bytes();
    let (part, _) = open(&target, Durability::Process).unwrap();
    part.begin(b"meta", None).unwrap();
    part.write(&bytes, 0).unwrap();
    for at in 0..TRICKLE {
        claim(&part, &bytes, at);
        if at % 1000 == 999 {
            part.checkpoint().unwrap();
        }
    }
    assert!(len(&target) < 1 << 20, "{}", len(&target));
    drop(part);
    let (part, recovered) = open(&target, Durability::Process).unwrap();
    assert!(recovered.damaged.is_empty());
    assert_eq!(recovered.extents.iter().map(|extent| extent.len).sum::<u64>(), TRICKLE as u64);
    part.finish(finish(TRICKLE as u64)).unwrap();
}

#[test]
fn one_that_is_full_is_compacted_instead_of_refusing() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let bytes = bytes();
    for durability in [Durability::Process, Durability::Power] {
        let (part, _) = open(&target, durability).unwrap();
        part.begin(b"meta", None).unwrap();
        part.write(&bytes, 0).unwrap();
        claim(&part, &bytes, 0);
        // Nobody checkpoints.
        let more_than_fit = MAX_JOURNAL / MAX_HASH_STATE as u64 + 50;
        for round in 0..more_than_fit {
            part.put_hash(HASH, &vec![round as u8; MAX_HASH_STATE]).unwrap();
        }
        claim(&part, &bytes, 1);
        assert!(len(&target) < MAX_JOURNAL / 4, "{}", len(&target));
        drop(part);
        let (part, recovered) = open(&target, durability).unwrap();
        assert_eq!(recovered.hashes[&HASH], vec![(more_than_fit - 1) as u8; MAX_HASH_STATE]);
        assert_eq!(recovered.extents.iter().map(|extent| extent.len).sum::<u64>(), 2);
        part.discard().unwrap();
    }
}

/// As an earlier version left it, which could not go on from there.
#[test]
fn one_that_is_found_full_is_compacted_before_anything_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::new(dir.path().join("file"));
    let bytes = bytes();
    let (part, _) = open(&target, Durability::Process).unwrap();
    part.begin(b"meta", None).unwrap();
    part.write(&bytes, 0).unwrap();
    claim(&part, &bytes, 0);
    drop(part);
    let view = journal::read(&OsFs, &target.journal()).unwrap();
    let mut journal = fs::read(target.journal()).unwrap();
    for sequence in view.entries.len() as u64 + 1.. {
        let mut record = Vec::new();
        let state = vec![7; MAX_HASH_STATE - 40];
        Record::Hash { kind: HASH, state }.encode(view.header.salt, sequence, &mut record);
        if (journal.len() + record.len()) as u64 > MAX_JOURNAL {
            break;
        }
        journal.extend(record);
    }
    assert!(journal.len() as u64 > MAX_JOURNAL - MAX_HASH_STATE as u64);
    fs::write(target.journal(), journal).unwrap();

    let (part, recovered) = open(&target, Durability::Process).unwrap();
    assert!(len(&target) < 1 << 20, "{}", len(&target));
    assert_eq!(recovered.extents.len(), 1);
    assert_eq!(recovered.hashes[&HASH], vec![7; MAX_HASH_STATE - 40]);
    (1..1000).for_each(|at| claim(&part, &bytes, at));
    part.checkpoint().unwrap();
    drop(part);
    let (_, recovered) = open(&target, Durability::Process).unwrap();
    assert_eq!(recovered.extents.iter().map(|extent| extent.len).sum::<u64>(), 1000);
}

/// A full disk, met at each operation of a checkpoint that compacts.
#[test]
fn a_disk_too_full_for_a_second_journal_keeps_the_old_one() {
    const ENOSPC: i32 = 28;
    const CLAIMS: usize = 3000;
    let target = Target::new("/file".into());
    let bytes = bytes();
    let salt = |disk: &SimDisk| disk.bytes(target.journal()).unwrap()[12..20].to_vec();
    let [mut kept, mut failed] = [0; 2];
    for offset in 1.. {
        let disk = SimDisk::seeded(offset);
        let open = || {
            let opened = Part::open(Arc::new(disk.clone()), &target, OpenPart::default()).unwrap();
            let Opened::Part(part, recovered) = opened else { panic!("nothing was finished") };
            (part, recovered)
        };
        let (part, _) = open();
        part.begin(b"meta", None).unwrap();
        part.write(&bytes[..CLAIMS + 1], 0).unwrap();
        // Apart, so that the journal stays long.
        (0..CLAIMS).step_by(2).for_each(|at| claim(&part, &bytes, at));
        let old = salt(&disk);
        let at = disk.operations() + offset;
        disk.inject(Fault { at, failure: Failure::Error(ENOSPC) });
        let ended = part.checkpoint();
        if disk.operations() < at {
            assert!(ended.is_ok());
            assert_ne!(salt(&disk), old);
            break;
        }
        match ended {
            // The next compaction is put off, and the part is as good as before.
            Ok(()) if salt(&disk) == old => {
                kept += 1;
                claim(&part, &bytes, CLAIMS);
                part.checkpoint().unwrap();
                assert_eq!(salt(&disk), old);
                drop(part);
                let (_, recovered) = open();
                assert_eq!(recovered.extents.len(), CLAIMS / 2 + 1);
            }
            Ok(()) => {}
            Err(_) => {
                failed += 1;
                assert!(part.checkpoint().is_err());
            }
        }
    }
    // The look for a leftover, the creation and the write. Not the sync: a failed one is final (G7).
    assert_eq!(kept, 3);
    assert!(failed >= 4, "{failed}");
}
