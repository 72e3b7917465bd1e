//! A part that somebody restored from a backup, on file systems that give the inode number again.

use std::fs;
use std::os::unix::fs::MetadataExt;

use piton_durable::crc::crc32c;
use piton_durable::part::{Durability, Extent, Target};
use piton_testkit::power::{FsKind, Volume};

use crate::real::open;

const LEN: u64 = 4 << 20;
const PIECE: u64 = 1 << 20;

#[test]
fn a_restored_part_on_ext4_is_read() {
    restored_part_is_read(FsKind::Ext4, true);
}

#[test]
fn a_restored_part_on_xfs_is_read() {
    restored_part_is_read(FsKind::Xfs, false);
}

/// Removed and created again with a megabyte of zeros; `reuses`: the inode number is the same then.
fn restored_part_is_read(kind: FsKind, reuses: bool) {
    let volume = match Volume::create(kind, 64 << 20) {
        Ok(volume) => volume,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let target = Target::new(volume.path().join("file"));
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin(b"meta", Some(LEN)).unwrap();
    for start in (0..LEN).step_by(PIECE as usize) {
        let bytes = vec![(start / PIECE) as u8 + 1; PIECE as usize];
        part.write(&bytes, start).unwrap();
        part.claim(Extent { start, len: PIECE, crc: crc32c(&bytes) }).unwrap();
    }
    part.checkpoint().unwrap();
    drop(part);

    let before = fs::metadata(target.part()).unwrap();
    let mut bytes = fs::read(target.part()).unwrap();
    bytes[PIECE as usize..2 * PIECE as usize].fill(0);
    fs::remove_file(target.part()).unwrap();
    fs::write(target.part(), &bytes).unwrap();
    let after = fs::metadata(target.part()).unwrap();
    if reuses {
        assert_eq!(after.ino(), before.ino(), "otherwise this shows nothing");
    }
    // As old as the journal, which a backup tool may have touched later: the birth alone tells.
    let journal = fs::File::options().write(true).open(target.journal()).unwrap();
    journal.set_modified(std::time::SystemTime::now()).unwrap();

    let (part, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!(recovered.damaged, [PIECE..2 * PIECE]);
    drop(part);
    let (_, recovered) = open(&target, Durability::Power).unwrap();
    assert_eq!(recovered.extents.len(), 3, "and it is not believed by the next run either");
}
