//! Power cuts on real file systems, under small files that land in groups.
//!
//! `PITON_POWER_STATES` and `PITON_TEST_SEED` as in `power.rs`.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use piton_durable::fs::{Existing, Fs, OsFs};
use piton_durable::land::{Landed, Landing, Pipeline, Told};
use piton_durable::part::Durability;
use piton_testkit::disk::{Broken, Sabotage};
use piton_testkit::power::{
    BlockLog, Finding, FsKind, Layer, Recording, Unavailable, wanted_states,
};
use piton_testkit::seed::seed;

const SIZE: u64 = 64 << 20;
/// Alone, in pairs, and so many that one sync serves for all; no more come after some of them.
const GROUPS: [usize; 12] = [1, 1, 16, 2, 40, 3, 1, 25, 2, 2, 60, 5];
const OLD: &[u8] = b"what stood under the final name before";

/// The names of the files that were said to be there, in the order in which that was said.
type Said = Arc<Mutex<Vec<usize>>>;

fn name(file: usize) -> String {
    format!("folder-{}/{file}", file % 2)
}

/// Never zero, so that a hole is always wrong.
fn content(file: usize) -> Vec<u8> {
    (0..1 + file * 977 % 20_000).map(|at| ((at * 7 + file * 13) % 255) as u8 + 1).collect()
}

fn replaces(file: usize) -> bool {
    file.is_multiple_of(7)
}

#[test]
fn power_cuts_on_ext4() {
    power_cuts(FsKind::Ext4, Layer::Plain, wanted_states() / 4);
}

#[test]
fn power_cuts_on_xfs() {
    power_cuts(FsKind::Xfs, Layer::Plain, wanted_states() / 20);
}

/// Its log leaves out what has no name: a file that was synced and then named could be empty.
#[test]
fn power_cuts_on_btrfs() {
    power_cuts(FsKind::Btrfs, Layer::Plain, wanted_states() / 4);
}

#[test]
fn power_cuts_on_an_overlay_on_ext4() {
    power_cuts(FsKind::Ext4, Layer::Overlay, wanted_states() / 4);
}

#[test]
fn power_cuts_on_an_overlay_on_xfs() {
    power_cuts(FsKind::Xfs, Layer::Overlay, wanted_states() / 20);
}

/// The overlay does not say that btrfs lies below.
#[test]
fn power_cuts_on_an_overlay_on_btrfs() {
    power_cuts(FsKind::Btrfs, Layer::Overlay, wanted_states() / 4);
}

fn power_cuts(kind: FsKind, layer: Layer, count: usize) {
    match findings(kind, layer, None, count) {
        Ok(findings) => {
            assert!(findings.is_empty(), "PITON_TEST_SEED={}: {findings:#?}", seed());
        }
        Err(reason) => piton_testkit::skip(reason),
    }
}

#[test]
fn a_name_before_its_data_is_caught_on_ext4() {
    let broken = Some(Broken::NamedBeforeDataSync);
    match findings(FsKind::Ext4, Layer::Plain, broken, wanted_states()) {
        Ok(findings) => assert!(!findings.is_empty(), "PITON_TEST_SEED={}", seed()),
        Err(reason) => piton_testkit::skip(reason),
    }
}

fn findings(
    kind: FsKind,
    layer: Layer,
    broken: Option<Broken>,
    count: usize,
) -> Result<Vec<Finding>, Unavailable> {
    let (mut recording, said) = record(kind, layer, broken)?;
    let said = said.lock().unwrap().clone();
    let states = recording.states(seed(), count);
    Ok(recording
        .check(&states, |dir, acknowledged| check(dir, &said[..acknowledged as usize]))
        .unwrap())
}

fn record(
    kind: FsKind,
    layer: Layer,
    broken: Option<Broken>,
) -> Result<(Recording, Said), Unavailable> {
    let log = BlockLog::create_with(kind, layer, SIZE)?;
    let dir = log.path();
    let files = GROUPS.iter().sum();
    for file in (0..files).filter(|file| replaces(*file)) {
        let path = dir.join(name(file));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, OLD).unwrap();
    }
    let fs: Arc<dyn Fs> = match broken {
        Some(broken) => Arc::new(Sabotage::new(OsFs, broken)),
        None => Arc::new(OsFs),
    };
    let said = Said::default();
    let stamp = Arc::clone(&said);
    log.record(move || stamp.lock().unwrap().len() as u64).unwrap();
    land_all(fs, &dir, &said);
    assert_eq!(said.lock().unwrap().len(), files);
    Ok((log.finish().unwrap(), said))
}

fn land_all(fs: Arc<dyn Fs>, dir: &Path, said: &Said) {
    let mut pipeline = Pipeline::new(fs);
    let mut files = 0..;
    for (turn, count) in GROUPS.into_iter().enumerate() {
        let group = files.by_ref().take(count).map(|file: usize| {
            let said = Arc::clone(said);
            let told: Told = Box::new(move |ended| {
                assert_eq!(ended.unwrap(), Landed::There);
                said.lock().unwrap().push(file);
            });
            let existing = if replaces(file) { Existing::Replace } else { Existing::Keep };
            let landing = Landing {
                path: dir.join(name(file)),
                bytes: content(file),
                existing,
                modified: None,
                attributes: vec![("user.piton".to_owned(), vec![b'x'; 150])],
                durability: Durability::Power,
            };
            (landing, told)
        });
        pipeline.cycle(group.collect());
        if turn % 3 == 2 {
            pipeline.settle();
        }
    }
    pipeline.settle();
}

/// Every name stands for what it stood for or for all of the new file, and for that if it was said.
fn check(dir: &Path, said: &[usize]) -> Result<(), String> {
    for file in 0..GROUPS.iter().sum() {
        let found = fs::read(dir.join(name(file))).ok();
        let right = match &found {
            Some(bytes) if *bytes == content(file) => true,
            Some(bytes) => replaces(file) && bytes == OLD && !said.contains(&file),
            None => !replaces(file) && !said.contains(&file),
        };
        if !right {
            let len = found.map(|bytes| bytes.len());
            return Err(format!("{file} (said: {}) has {len:?} bytes", said.contains(&file)));
        }
    }
    Ok(())
}
