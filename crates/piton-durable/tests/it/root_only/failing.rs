//! Small files that land in groups on a disk that fails under them: what is said to be there is there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use piton_durable::fs::{Existing, Fs, OsFs};
use piton_durable::land::{Landed, Landing, Pipeline, Told};
use piton_durable::part::Durability;
use piton_testkit::disk::{Broken, Sabotage};
use piton_testkit::power::{Failing, FailingDisk, FsKind, Layer, Unavailable};

/// Under these bytes the disk has a bad place.
const BAD: &[u8] = b"[a bad place on the disk]";
/// More than are synced one by one, and as few.
const GROUPS: [usize; 6] = [40, 2, 30, 1, 10, 35];
/// So many of the last ones have nothing bad in them. The first group of these may still hear of a write
/// that failed before, if nobody has heard of it.
const SOUND: usize = 45;
const SURE: usize = 35;

fn path(dir: &Path, file: usize) -> PathBuf {
    dir.join(format!("folder-{}/{file}", file % 3))
}

fn content(file: usize) -> Vec<u8> {
    let last = file >= GROUPS.iter().sum::<usize>() - SOUND;
    let mut bytes: Vec<u8> = (0..5000).map(|at| ((at * 7 + file * 13) % 255) as u8 + 1).collect();
    if file.is_multiple_of(3) && !last {
        bytes[100..100 + BAD.len()].copy_from_slice(BAD);
    }
    bytes
}

/// Of each file whether it was said to be there.
type Said = Arc<Mutex<Vec<(usize, bool)>>>;

fn landing(dir: &Path, file: usize, said: &Said) -> (Landing, Told) {
    let said = Arc::clone(said);
    let told: Told = Box::new(move |ended| {
        said.lock().unwrap().push((file, matches!(ended, Ok(Landed::There))));
    });
    let landing = Landing {
        path: path(dir, file),
        bytes: content(file),
        existing: Existing::Keep,
        modified: None,
        attributes: vec![("user.piton".to_owned(), vec![b'x'; 150])],
        durability: Durability::Power,
    };
    (landing, told)
}

/// The files that were said to be there and are not, after all groups have landed.
fn wrong(kind: FsKind, layer: Layer, broken: Option<Broken>) -> Result<Vec<usize>, Unavailable> {
    let mut disk = FailingDisk::create(kind, layer, 64 << 20)?;
    let dir = disk.path();
    let fs: Arc<dyn Fs> = match broken {
        Some(broken) => Arc::new(Sabotage::new(OsFs, broken)),
        None => Arc::new(OsFs),
    };
    let said = Said::default();
    disk.fail(Failing::Holding(BAD.to_vec()));
    let mut pipeline = Pipeline::new(fs);
    let mut files = 0..;
    for count in GROUPS {
        let group = files.by_ref().take(count).map(|file| landing(&dir, file, &said));
        pipeline.cycle(group.collect());
    }
    pipeline.settle();
    drop(pipeline);
    disk.remount().unwrap();

    let said = said.lock().unwrap().clone();
    assert_eq!(said.len(), GROUPS.iter().sum::<usize>(), "each file is spoken of, once");
    let there: Vec<usize> =
        said.iter().filter_map(|(file, there)| there.then_some(*file)).collect();
    eprintln!("{} {layer:?}: {} of {} are said to be there", kind.name(), there.len(), said.len());
    let sure = GROUPS.iter().sum::<usize>() - SURE..;
    assert_eq!(there.iter().filter(|file| sure.contains(file)).count(), SURE);
    let right =
        |file: &usize| fs::read(path(&dir, *file)).is_ok_and(|bytes| bytes == content(*file));
    Ok(there.into_iter().filter(|file| !right(file)).collect())
}

fn nothing_is_wrong(kind: FsKind, layer: Layer) {
    match wrong(kind, layer, None) {
        Ok(wrong) => assert_eq!(wrong, [0; 0]),
        Err(reason) => piton_testkit::skip(reason),
    }
}

#[test]
fn bad_places_under_ext4() {
    nothing_is_wrong(FsKind::Ext4, Layer::Plain);
}

#[test]
fn bad_places_under_xfs() {
    nothing_is_wrong(FsKind::Xfs, Layer::Plain);
}

#[test]
fn bad_places_under_btrfs() {
    nothing_is_wrong(FsKind::Btrfs, Layer::Plain);
}

#[test]
fn bad_places_under_an_overlay_on_ext4() {
    nothing_is_wrong(FsKind::Ext4, Layer::Overlay);
}

#[test]
fn bad_places_under_an_overlay_on_xfs() {
    nothing_is_wrong(FsKind::Xfs, Layer::Overlay);
}

#[test]
fn bad_places_under_an_overlay_on_btrfs() {
    nothing_is_wrong(FsKind::Btrfs, Layer::Overlay);
}

#[test]
fn a_sync_that_does_not_tell_and_is_believed_is_caught() {
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        match wrong(kind, Layer::Overlay, Some(Broken::FsSyncBelieved)) {
            Ok(wrong) => assert!(!wrong.is_empty(), "{}", kind.name()),
            Err(reason) => piton_testkit::skip(reason),
        }
    }
}

/// The disk fails for a moment, while the names are committed by somebody else, and works again when
/// they are synced: ext4 then calls that sync a success.
#[test]
fn names_that_a_dying_file_system_lost_are_not_said_to_be_there() {
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        for layer in [Layer::Plain, Layer::Overlay] {
            for count in [1, 10] {
                let mut disk = match FailingDisk::create(kind, layer, 64 << 20) {
                    Ok(disk) => disk,
                    Err(reason) => return piton_testkit::skip(reason),
                };
                let (dir, said) = (disk.path(), Said::default());
                let mut pipeline = Pipeline::new(Arc::new(OsFs));
                // The folders are there and durable, so that the names alone are at stake.
                pipeline.cycle((0..3).map(|file| landing(&dir, 90 + file, &said)).collect());
                pipeline.settle();
                let files = GROUPS.iter().sum::<usize>()..;
                pipeline.cycle(files.take(count).map(|file| landing(&dir, file, &said)).collect());
                disk.fail(Failing::Everything);
                let lost = rustix::fs::syncfs(File::open(&dir).unwrap());
                assert!(lost.is_err(), "{} {layer:?}", kind.name());
                disk.heal();
                pipeline.settle();
                drop(pipeline);
                disk.remount().unwrap();
                for (file, there) in said.lock().unwrap().iter() {
                    let right = fs::read(path(&dir, *file)).is_ok_and(|now| now == content(*file));
                    assert!(right || !there, "{} {layer:?}: {file} is lost", kind.name());
                }
                assert_eq!(said.lock().unwrap().len(), 3 + count);
            }
        }
    }
}
