//! What only root can set up.

mod exchanged;
mod failing;
mod land;
mod power;
mod shared;

use std::io::ErrorKind;

use piton_durable::crc::crc32c;
use piton_durable::fs::{Fs, OsFs};
use piton_durable::part::{Durability, Extent, PartError, Target};
use piton_testkit::SmallDisk;

use crate::real::{finish, open};

fn is_full(error: &PartError) -> bool {
    matches!(error, PartError::Io { source, .. } if source.kind() == ErrorKind::StorageFull)
}

#[test]
fn a_disk_too_small_is_found_before_the_transfer_and_nothing_is_left() {
    let Some(disk) = SmallDisk::mount("size=1536k") else { return };
    let target = Target::new(disk.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    let error = part.begin(b"meta", Some(10 << 20)).unwrap_err();
    assert!(is_full(&error), "{error}");
    assert!(error.to_string().contains("cannot reserve space for"), "{error}");
    assert!(part.write(b"x", 0).is_err(), "nothing goes on from here");
    drop(part);
    assert_eq!(OsFs.list(disk.path()).unwrap(), Vec::<std::path::PathBuf>::new());
}

/// Reserving on a tmpfs writes zeros into memory, which the bytes that come then write over.
#[test]
fn nothing_is_reserved_in_memory_and_a_disk_too_small_is_found_all_the_same() {
    use std::os::unix::fs::MetadataExt;

    const MIB: u64 = 1 << 20;
    let Some(disk) = SmallDisk::mount("size=64m") else { return };
    let target = Target::new(disk.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", Some(40 * MIB)).unwrap();
    part.write(&[7; 6000], 0).unwrap();
    part.write(&[7; 6000], 30 * MIB).unwrap();
    let held = std::fs::metadata(target.part()).unwrap().blocks() * 512;
    assert!(held < MIB, "{held} bytes are held");

    // What the first is going to need is not there for a second.
    let second = Target::new(disk.path().join("second"));
    let (other, _) = open(&second, Durability::Power).unwrap();
    assert!(is_full(&other.begin(b"meta", Some(40 * MIB)).unwrap_err()));
    drop((part, other));
    let (third, _) = open(&second, Durability::Power).unwrap();
    third.begin(b"meta", Some(40 * MIB)).unwrap();
}

#[test]
fn a_disk_without_room_for_a_name_is_said() {
    // The root directory takes one; the part would be the second, the journal the third.
    for inodes in [1, 2] {
        let Some(disk) = SmallDisk::mount(&format!("nr_inodes={inodes}")) else { return };
        let target = Target::new(disk.path().join("file"));
        let error = open(&target, Durability::Power)
            .and_then(|(part, _)| part.begin(b"meta", None))
            .unwrap_err();
        assert!(is_full(&error), "{error}");
        assert_eq!(OsFs.list(disk.path()).unwrap().len(), 0);
    }
}

#[test]
fn a_disk_that_fills_up_keeps_what_was_claimed() {
    const CHUNK: usize = 64 << 10;
    let Some(disk) = SmallDisk::mount("size=1536k") else { return };
    let target = Target::new(disk.path().join("file"));
    let bytes = vec![7; CHUNK];
    let claim = |start: u64| Extent { start, len: CHUNK as u64, crc: crc32c(&bytes) };

    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", None).unwrap();
    let mut end = 0;
    let error = loop {
        let start = end;
        match part.write(&bytes, start).and_then(|()| part.claim(claim(start))) {
            Ok(()) => end += CHUNK as u64,
            Err(error) => break error,
        }
    };
    assert!(is_full(&error), "{error}");
    assert!(end > 1 << 20);
    // The journal may be at the edge of a page, and then has no room for one record more.
    let mut claims = part.extents().len();
    while part.put_hash(1, &[0; 1000]).is_ok() {
        claims = part.extents().len();
    }
    drop(part);

    let (part, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!((recovered.extents.len(), recovered.damaged.len()), (claims, 0));
    part.discard().unwrap();
    assert_eq!(OsFs.list(disk.path()).unwrap().len(), 0);
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", Some(CHUNK as u64)).unwrap();
    part.write(&bytes, 0).unwrap();
    part.claim(claim(0)).unwrap();
    part.finish(finish(CHUNK as u64)).unwrap();
}
