//! Parts that share their bytes with another file (reflinks), on the file systems that can.
//!
//! `PITON_POWER_STATES` and `PITON_TEST_SEED` as in `power.rs`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use piton_durable::crc::crc32c;
use piton_durable::fs::{Fs, FsFile, Open, OsFs};
use piton_durable::journal;
use piton_durable::part::{Durability, Extent, OpenPart, Opened, Part, PartError, Target};
use piton_testkit::disk::{Broken, Sabotage};
use piton_testkit::power::{BlockLog, FsKind, Unavailable, wanted_states};
use piton_testkit::seed::seed;
use piton_testkit::server::pattern;

use crate::real::{finish, open};

const MIB: u64 = 1 << 20;
const PATTERN: u64 = 77;
const PIECE: u64 = MIB;
/// The last piece is no whole block.
const LEN: u64 = 9 * MIB + 777;

fn pieces() -> impl Iterator<Item = std::ops::Range<u64>> {
    (0..LEN).step_by(PIECE as usize).map(|start| start..(start + PIECE).min(LEN))
}

fn source(dir: &Path) -> Arc<dyn FsFile> {
    OsFs.open(&dir.join("source"), Open::Read).unwrap()
}

/// What a claim has to say: what is in the part.
fn claim(part: &Part, range: &std::ops::Range<u64>) -> Result<(), PartError> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    assert_eq!(part.read(&mut bytes, range.start)?, bytes.len());
    part.claim(Extent { start: range.start, len: bytes.len() as u64, crc: crc32c(&bytes) })
}

fn held(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

#[test]
fn bytes_on_xfs_take_up_no_space_twice() {
    no_space_twice(FsKind::Xfs);
}

#[test]
fn bytes_on_btrfs_take_up_no_space_twice() {
    no_space_twice(FsKind::Btrfs);
}

/// Also on a disk that has no room for them twice; and each file keeps its own when the other one changes.
fn no_space_twice(kind: FsKind) {
    let disk = match BlockLog::create(kind, 300 * MIB) {
        Ok(disk) => disk,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let dir = disk.path();
    let len = 160 * MIB;
    let bytes = pattern::bytes(PATTERN, len as usize);
    fs::write(dir.join("source"), &bytes).unwrap();
    rustix::fs::syncfs(fs::File::open(&dir).unwrap()).unwrap();
    let before = held(&dir);
    let (source, target) = (source(&dir), Target::new(dir.join("file")));

    let (part, _) = open(&target, Durability::Power).unwrap();
    let full = part.begin(b"meta", Some(len)).unwrap_err();
    assert!(full.to_string().contains("not enough space"), "otherwise this shows nothing: {full}");
    drop(part);
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin_from(Some(&*source), b"meta", Some(len)).unwrap();
    for start in (0..len).step_by(8 << 20) {
        let range = start..start + (8 << 20);
        assert!(part.share_from(&*source, range.clone()).unwrap(), "{range:?}");
        claim(&part, &range).unwrap();
    }
    part.checkpoint().unwrap();
    part.finish(finish(len)).unwrap();
    rustix::fs::syncfs(fs::File::open(&dir).unwrap()).unwrap();
    let grown = held(&dir).saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes more are held");

    fs::File::options().write(true).open(dir.join("source")).unwrap().set_len(MIB).unwrap();
    assert!(fs::read(dir.join("file")).unwrap() == bytes);
}

/// A hole stays one; a place within a block is not shared, and nothing changes.
#[test]
fn holes_and_odd_places_on_xfs() {
    use std::os::unix::fs::{FileExt, MetadataExt};

    let disk = match BlockLog::create(FsKind::Xfs, 300 * MIB) {
        Ok(disk) => disk,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let dir = disk.path();
    let file = fs::File::create(dir.join("source")).unwrap();
    file.write_all_at(&pattern::bytes(PATTERN, 4096), 0).unwrap();
    file.write_all_at(b"the end", 100 * MIB).unwrap();
    let (source, target) = (source(&dir), Target::new(dir.join("file")));
    let len = 100 * MIB + 7;
    let (part, _) = open(&target, Durability::Power).unwrap();
    part.begin_from(Some(&*source), b"meta", Some(len)).unwrap();
    for odd in [0..100, 100..4096, 100..len, 0..len + 4096, 200 * MIB..201 * MIB, 0..0] {
        assert!(!part.share_from(&*source, odd.clone()).unwrap(), "{odd:?}");
    }
    assert_eq!(part.copy_from(&*source, len - 7..len + 100).unwrap(), 7, "there it ends");
    assert!(part.share_from(&*source, 0..len).unwrap());
    claim(&part, &(0..len)).unwrap();
    part.finish(finish(len)).unwrap();
    let stat = fs::metadata(dir.join("file")).unwrap();
    assert!(stat.len() == len && stat.blocks() * 512 < MIB, "{} blocks", stat.blocks());
    assert!(fs::read(dir.join("file")).unwrap() == fs::read(dir.join("source")).unwrap());
}

/// What of the downloads is promised: so many times a checkpoint has ended, or a finish.
fn run(fs: &Arc<dyn Fs>, dir: &Path, promised: &AtomicU64) -> Result<(), PartError> {
    let (source, target) = (source(dir), Target::new(dir.join("file")));
    let Opened::Part(part, _) = Part::open(Arc::clone(fs), &target, OpenPart::default())? else {
        panic!("nothing is finished");
    };
    part.begin_from(Some(&*source), b"meta", Some(LEN))?;
    for piece in pieces() {
        assert!(part.share_from(&*source, piece.clone())?, "{piece:?}");
        claim(&part, &piece)?;
        part.checkpoint()?;
        promised.fetch_add(1, Ordering::SeqCst);
    }
    part.finish(finish(LEN))?;
    promised.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// What was promised is there, and what is believed without being read is right.
fn check(dir: &Path, promised: u64) -> Result<(), String> {
    let right = pattern::bytes(PATTERN, LEN as usize);
    if let Ok(bytes) = fs::read(dir.join("file")) {
        return if bytes == right { Ok(()) } else { Err("a wrong file".to_owned()) };
    }
    if promised > pieces().count() as u64 {
        return Err("it was finished, and is gone".to_owned());
    }
    let synced = journal::read(&OsFs, &dir.join("file.piton"));
    let synced = synced.map(|journal| journal.fold.synced()).unwrap_or_default();
    let part = fs::read(dir.join("file.part")).unwrap_or_default();
    let bytes = |file: &[u8], extent: &Extent| {
        let (start, end) = (extent.start as usize, (extent.start + extent.len) as usize);
        file.get(start..end).map(<[u8]>::to_vec)
    };
    if let Some(extent) = synced.iter().find(|one| bytes(&part, one) != bytes(&right, one)) {
        return Err(format!("{extent:?} is believed and wrong"));
    }
    let kept: u64 = synced.iter().map(|extent| extent.len).sum();
    match kept >= (promised * PIECE).min(LEN) {
        true => Ok(()),
        false => Err(format!("{promised} pieces were promised, and {kept} bytes are left")),
    }
}

/// The findings in crash states of a download that shares all of its bytes.
fn wrong(kind: FsKind, broken: Option<Broken>, count: usize) -> Result<usize, Unavailable> {
    let fs: Arc<dyn Fs> = match broken {
        Some(broken) => Arc::new(Sabotage::new(OsFs, broken)),
        None => Arc::new(OsFs),
    };
    let log = BlockLog::create(kind, 64 * MIB)?;
    // Not synced: the bytes of the source have to become durable with the part.
    fs::write(log.path().join("source"), pattern::bytes(PATTERN, LEN as usize)).unwrap();
    let promised = Arc::new(AtomicU64::new(0));
    let stamp = Arc::clone(&promised);
    log.record(move || stamp.load(Ordering::SeqCst)).unwrap();
    run(&fs, &log.path(), &promised).unwrap();
    let mut recording = log.finish().unwrap();
    let states = recording.states(seed(), count);
    let findings = recording.check(&states, check).unwrap();
    eprintln!("{} {broken:?}: {} of {} states", kind.name(), findings.len(), states.len());
    if broken.is_none() {
        assert!(findings.is_empty(), "PITON_TEST_SEED={}: {findings:#?}", seed());
    }
    Ok(findings.len())
}

#[test]
fn power_cuts_on_xfs() {
    if let Err(reason) = wrong(FsKind::Xfs, None, wanted_states() / 5) {
        piton_testkit::skip(reason);
    }
}

#[test]
fn power_cuts_on_btrfs() {
    if let Err(reason) = wrong(FsKind::Btrfs, None, wanted_states()) {
        piton_testkit::skip(reason);
    }
}

/// The harness sees what is broken. Not on XFS: the bytes of the source are on the disk before it shares them, and its
/// log is in order, so the sync of the journal brings what was shared before.
#[test]
fn a_record_before_the_shared_bytes_are_synced_is_caught() {
    match wrong(FsKind::Btrfs, Some(Broken::RecordBeforeDataSync), wanted_states() / 2) {
        Ok(wrong) => assert!(wrong > 0, "seed {}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}
