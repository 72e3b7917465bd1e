//! Files that somebody changed between two runs.

use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::fs::{Existing, FileId, Fs};
use piton_durable::journal::{self, HEADER_LEN, Header, UNKNOWN_PART, VERSION, part_identity};
use piton_durable::part::{
    Durability, Extent, Finish, OpenPart, Opened, Part, PartError, Recovered, Target, Unsynced,
};
use piton_testkit::disk::{Failure, Fault, SimDisk};

const LEN: u64 = 10_000;

fn byte(at: u64) -> u8 {
    (at % 251) as u8 + 1
}

fn target() -> Target {
    Target::new("/file".into())
}

fn open_how(disk: &SimDisk, how: OpenPart) -> Result<(Part, Recovered), PartError> {
    match Part::open(Arc::new(disk.clone()), &target(), how)? {
        Opened::Part(part, recovered) => Ok((part, recovered)),
        Opened::Finished => panic!("nothing was finished"),
    }
}

fn open(disk: &SimDisk) -> (Part, Recovered) {
    open_how(disk, OpenPart::default()).unwrap()
}

fn put(part: &Part, start: u64, len: u64) {
    let bytes: Vec<u8> = (start..start + len).map(byte).collect();
    part.write(&bytes, start).unwrap();
    part.claim(Extent { start, len, crc: crc32c(&bytes) }).unwrap();
}

/// A download of which the first 8,000 bytes are synced, and the next 1,000 written.
fn interrupted() -> SimDisk {
    let disk = SimDisk::seeded(1);
    let (part, _) = open(&disk);
    part.begin(b"meta", Some(LEN)).unwrap();
    put(&part, 0, 4000);
    put(&part, 4000, 4000);
    part.put_hash(1, b"state").unwrap();
    part.checkpoint().unwrap();
    put(&part, 8000, 1000);
    drop(part);
    disk.restart();
    disk
}

fn ranges(recovered: &Recovered) -> Vec<std::ops::Range<u64>> {
    recovered.extents.iter().map(Extent::range).collect()
}

/// Goes on to the end, and looks at what comes out.
fn complete(disk: &SimDisk, part: Part) {
    let extents = part.extents();
    for start in (0..LEN).step_by(1000) {
        if !extents.iter().any(|extent| extent.range().contains(&start)) {
            put(&part, start, 1000);
        }
    }
    let finish = Finish {
        len: LEN,
        existing: Existing::Keep,
        mode: None,
        modified: None,
        attributes: vec![],
    };
    part.finish(finish).unwrap();
    assert_eq!(disk.bytes("/file").unwrap(), (0..LEN).map(byte).collect::<Vec<_>>());
}

#[test]
fn untouched_everything_is_believed() {
    let disk = interrupted();
    let (part, recovered) = open(&disk);
    assert_eq!(ranges(&recovered), [0..4000, 4000..8000, 8000..9000]);
    assert_eq!(recovered.meta.as_deref(), Some(&b"meta"[..]));
    assert_eq!(recovered.hashes[&1], b"state");
    assert_eq!(
        (recovered.damaged.len(), recovered.set_aside, recovered.verified),
        (0, None, false)
    );
    complete(&disk, part);
}

#[test]
fn a_shortened_part_is_believed_only_up_to_its_end_even_after_it_grew_again() {
    let disk = interrupted();
    let mut bytes = disk.bytes("/file.part").unwrap();
    bytes.truncate(5000);
    disk.put("/file.part", &bytes);
    let (part, recovered) = open(&disk);
    assert_eq!(ranges(&recovered), [0..4000]);
    assert_eq!(recovered.damaged, [4000..9000]);
    assert!(recovered.hashes.is_empty());
    put(&part, 9000, 1000);
    drop(part);
    disk.restart();
    let (part, recovered) = open(&disk);
    assert_eq!(ranges(&recovered), [0..4000, 9000..10_000], "a hole is not a byte");
    complete(&disk, part);
}

#[test]
fn a_grown_part_is_cut_at_the_end() {
    let disk = interrupted();
    let mut bytes = disk.bytes("/file.part").unwrap();
    bytes.resize(50_000, 7);
    disk.put("/file.part", &bytes);
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.damaged, []);
    complete(&disk, part);
}

#[test]
fn a_flipped_byte_is_found_in_what_was_not_synced_and_everywhere_when_asked() {
    for at in [100, 8500] {
        let disk = interrupted();
        disk.rot("/file.part", at);
        if at > 8000 {
            let (part, recovered) = open(&disk);
            assert_eq!(recovered.damaged, [8000..9000]);
            complete(&disk, part);
        } else {
            let (part, recovered) = open(&disk);
            assert_eq!(recovered.damaged, [], "what was synced is not read");
            drop(part);
            disk.restart();
            let how = OpenPart { verify_all: true, ..OpenPart::default() };
            let (part, recovered) = open_how(&disk, how).unwrap();
            assert_eq!(recovered.damaged, [0..4000]);
            assert_eq!(part.damaged().unwrap(), []);
            complete(&disk, part);
        }
    }
}

#[test]
fn an_exchanged_part_is_read_before_it_is_believed() {
    let disk = interrupted();
    let mut bytes = disk.bytes("/file.part").unwrap();
    bytes[..4000].fill(0);
    let before = disk.stat("/file.part".as_ref()).unwrap().unwrap().id;
    disk.exchange("/file.part", &bytes);
    let after = disk.stat("/file.part".as_ref()).unwrap().unwrap().id;
    assert!(before.inode == after.inode && before != after, "as ext4 does it");
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.damaged, [0..4000]);
    assert_eq!(ranges(&recovered), [4000..8000, 8000..9000], "a faithful copy is believed");
    part.checkpoint().unwrap();
    drop(part);
    disk.restart();
    let (part, recovered) = open(&disk);
    assert_eq!(ranges(&recovered), [4000..8000, 8000..9000], "the journal speaks of the copy");
    complete(&disk, part);
}

/// `cp backup NAME.part`: the same file, and other bytes.
#[test]
fn a_part_that_was_written_over_is_read_before_it_is_believed() {
    let disk = interrupted();
    let mut bytes = disk.bytes("/file.part").unwrap();
    bytes[..4000].fill(0);
    let before = disk.stat("/file.part".as_ref()).unwrap().unwrap().id;
    disk.put("/file.part", &bytes);
    assert_eq!(disk.stat("/file.part".as_ref()).unwrap().unwrap().id, before);
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.damaged, [0..4000]);
    assert_eq!(ranges(&recovered), [4000..8000, 8000..9000]);
    assert!(recovered.hashes.is_empty());
    // The claims are gone for good, also when the part is as old as its journal again.
    put(&part, 9000, 1000);
    drop(part);
    disk.restart();
    let (part, recovered) = open(&disk);
    assert_eq!(ranges(&recovered), [4000..8000, 8000..9000, 9000..10_000]);
    complete(&disk, part);
}

#[test]
fn where_a_file_system_tells_no_births_all_of_a_part_is_read() {
    let disk = interrupted();
    disk.hide_births();
    disk.rot("/file.part", 100);
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.damaged, [0..4000]);
    drop(part);
    disk.restart();
    // Also a journal that was written there.
    disk.rot("/file.part", 5000);
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.damaged, [4000..8000]);
    complete(&disk, part);
}

/// An earlier version wrote the inode alone into the header.
#[test]
fn a_journal_that_names_the_inode_alone_loses_nothing() {
    let disk = interrupted();
    let mut bytes = disk.bytes("/file.piton").unwrap();
    let parsed = journal::parse(&bytes).unwrap();
    let inode = disk.stat("/file.part".as_ref()).unwrap().unwrap().id.inode;
    let earlier = Header { part_identity: inode, ..parsed.header };
    bytes[..HEADER_LEN].copy_from_slice(&earlier.encode());
    disk.put("/file.piton", &bytes);
    disk.rot("/file.part", 100);
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.damaged, [0..4000], "it is read");
    assert_eq!(ranges(&recovered), [4000..8000, 8000..9000], "and believed");
    let now = journal::read(&disk, "/file.piton".as_ref()).unwrap().header;
    assert!(now.is_about(disk.stat("/file.part".as_ref()).unwrap().unwrap().id));
    complete(&disk, part);
}

#[test]
fn the_identity_of_a_part_is_that_of_inode_and_birth() {
    let id = |inode, birth| FileId { device: 1, inode, birth };
    assert_eq!(part_identity(id(7, None)), UNKNOWN_PART);
    // 7 × 0x9e3779b97f4a7c15 + 1000, as docs/journal-format.md has it.
    assert_eq!(part_identity(id(7, Some(1000))), 0x5384_5412_7b09_6493 + 1000);
    assert_ne!(part_identity(id(7, Some(1001))), part_identity(id(7, Some(1000))));
    assert_ne!(part_identity(id(8, Some(1000))), part_identity(id(7, Some(1000))));
    let header = Header { version: VERSION, salt: 1, part_identity: UNKNOWN_PART };
    assert!(!header.is_about(id(7, None)), "what is not known is never the same");
}

#[test]
fn a_part_without_a_journal_is_set_aside() {
    let disk = SimDisk::seeded(1);
    disk.put("/file.part", b"who knows");
    disk.put("/file.part.aside-1", b"an earlier one");
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.set_aside, Some("/file.part.aside-2".into()));
    assert_eq!((recovered.meta, recovered.extents), (None, vec![]));
    assert_eq!(disk.bytes("/file.part.aside-2").unwrap(), b"who knows");
    assert_eq!(disk.bytes("/file.part.aside-1").unwrap(), b"an earlier one");
    part.begin(b"meta", None).unwrap();
    complete(&disk, part);
}

#[test]
fn a_journal_without_its_part_believes_nothing() {
    let disk = interrupted();
    disk.remove("/file.part".as_ref()).unwrap();
    let (part, recovered) = open(&disk);
    assert_eq!((ranges(&recovered), recovered.damaged.clone()), (vec![], vec![0..9000]));
    assert!(recovered.meta.is_some());
    complete(&disk, part);
}

#[test]
fn every_flipped_byte_and_every_cut_of_the_journal_ends_in_the_right_file() {
    let journal = interrupted().bytes("/file.piton").unwrap();
    let flips = (0..journal.len()).map(|at| {
        let mut bytes = journal.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    let cuts = (0..journal.len()).map(|at| journal[..at].to_vec());
    for bytes in flips.chain(cuts) {
        let disk = interrupted();
        disk.put("/file.piton", &bytes);
        let (part, recovered) = open(&disk);
        for extent in &recovered.extents {
            let right: Vec<u8> = extent.range().map(byte).collect();
            assert_eq!(extent.crc, crc32c(&right));
        }
        if recovered.meta.is_none() {
            assert!(recovered.set_aside.is_some(), "the user is told");
            assert_eq!(disk.bytes("/file.piton.aside-1").unwrap(), bytes);
            part.begin(b"meta", Some(LEN)).unwrap();
        }
        complete(&disk, part);
    }
}

#[test]
fn a_newer_journal_is_left_alone() {
    let disk = interrupted();
    let mut bytes = disk.bytes("/file.piton").unwrap();
    let newer = Header { version: VERSION + 1, salt: 1, part_identity: 1 }.encode();
    bytes[..HEADER_LEN].copy_from_slice(&newer);
    disk.put("/file.piton", &bytes);
    let part = disk.bytes("/file.part");
    match open_how(&disk, OpenPart::default()) {
        Err(PartError::NewerFormat { found, .. }) => assert_eq!(found, VERSION + 1),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
    assert_eq!(disk.bytes("/file.piton").unwrap(), bytes);
    assert_eq!(disk.bytes("/file.part"), part);
}

#[test]
fn a_journal_can_be_looked_at_while_it_is_in_use() {
    let disk = interrupted();
    let (_part, _) = open(&disk);
    let view = journal::read(&disk, "/file.piton".as_ref()).unwrap();
    assert_eq!(view.entries.len(), 6);
    let ends = |extents: Vec<Extent>| extents.iter().map(|e| e.range().end).collect::<Vec<_>>();
    assert_eq!(ends(view.fold.synced()), [4000, 8000]);
    assert_eq!(ends(view.fold.written()), [9000]);
    assert!(matches!(open_how(&disk, OpenPart::default()), Err(PartError::Locked { .. })));
}

#[test]
fn a_run_without_a_journal_is_written_over_by_the_next_and_set_aside_by_others() {
    let disk = SimDisk::seeded(1);
    let none = OpenPart { durability: Durability::None, ..OpenPart::default() };
    for _ in 0..2 {
        let (part, recovered) = open_how(&disk, none).unwrap();
        assert_eq!(recovered, Recovered::default());
        part.begin(b"meta", Some(LEN)).unwrap();
        put(&part, 0, 1000);
        assert_eq!(disk.bytes("/file.piton"), None);
    }
    let (part, recovered) = open(&disk);
    assert!(recovered.set_aside.is_some());
    drop(part);
    assert_eq!(disk.bytes("/file.part"), None, "a part that never began is clutter");
}

/// On a disk that never overwrites, bytes in their place need new space: without it they are forgotten, and the
/// download resumes from what is left.
#[test]
fn what_cannot_be_written_again_for_lack_of_space_is_forgotten() {
    let mut forgotten = 0;
    let disk = interrupted();
    drop(open(&disk));
    for at in 1..=disk.operations() {
        let disk = interrupted();
        let failure = Failure::Error(rustix::io::Errno::NOSPC.raw_os_error());
        disk.inject(Fault { at, failure });
        let Ok((part, recovered)) = open_how(&disk, OpenPart::default()) else { continue };
        if !recovered.damaged.is_empty() {
            // It was a read that failed.
            continue;
        }
        let ends: Vec<_> = recovered.extents.iter().map(|extent| extent.range().end).collect();
        match ends.as_slice() {
            [4000, 8000, 9000] => {}
            [4000, 8000] => forgotten += 1,
            other => panic!("{other:?}"),
        }
        complete(&disk, part);
    }
    assert_eq!(forgotten, 2, "its read and its write");
}

#[test]
fn what_is_cheap_to_get_again_is_not_written_again() {
    let disk = interrupted();
    let how = OpenPart { unsynced: Unsynced::Forget, ..OpenPart::default() };
    let (part, recovered) = open_how(&disk, how).unwrap();
    assert_eq!((recovered.extents.len(), recovered.damaged), (2, vec![]));
    complete(&disk, part);
}

#[test]
fn no_claim_of_an_earlier_run_is_lost_by_asking_for_no_journal() {
    let disk = interrupted();
    let none = OpenPart { durability: Durability::None, ..OpenPart::default() };
    let (part, recovered) = open_how(&disk, none).unwrap();
    assert_eq!(recovered.extents.len(), 3);
    put(&part, 9000, 1000);
    drop(part);
    disk.restart();
    let (part, recovered) = open(&disk);
    assert_eq!(recovered.extents.len(), 4);
    complete(&disk, part);
}

#[test]
fn a_file_that_stands_there_stays_and_so_does_the_part() {
    let disk = interrupted();
    disk.put("/file", b"mine");
    let (part, _) = open(&disk);
    put(&part, 9000, 1000);
    let finish = Finish {
        len: LEN,
        existing: Existing::Keep,
        mode: None,
        modified: None,
        attributes: vec![],
    };
    assert!(matches!(part.finish(finish), Err(PartError::Exists { .. })));
    assert_eq!(disk.bytes("/file").unwrap(), b"mine");
    let (part, recovered) = open(&disk);
    assert!(recovered.verified);
    disk.remove("/file".as_ref()).unwrap();
    complete(&disk, part);
}

#[test]
fn a_file_of_the_same_length_is_not_taken_for_the_finished_one() {
    let disk = interrupted();
    let (part, _) = open(&disk);
    put(&part, 9000, 1000);
    let finish = Finish {
        len: LEN,
        existing: Existing::Keep,
        mode: None,
        modified: None,
        attributes: vec![],
    };
    let journal_before_the_end = {
        disk.put("/file", b"in the way");
        assert!(part.finish(finish).is_err());
        disk.bytes("/file.piton").unwrap()
    };
    disk.remove("/file.part".as_ref()).unwrap();
    disk.exchange("/file", &vec![0; LEN as usize]);
    assert!(!journal_before_the_end.is_empty());
    let (_, recovered) = open(&disk);
    assert!(!recovered.verified && recovered.extents.is_empty());
}
