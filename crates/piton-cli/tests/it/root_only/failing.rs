//! A list onto a disk that fails under it: nothing is called done that is not there and right.

use std::path::Path;

use piton_testkit::power::{Failing, FailingDisk, FsKind, Layer};
use piton_testkit::server::{Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

const FILES: u64 = 30;
const LEN: u64 = 5000;
/// The disk has a bad place under a piece of this one.
const SPOILED: u64 = 7;

fn piton(place: &Place, folder: &Path) -> Ran {
    let folder = folder.to_str().unwrap();
    place.piton(&["--config", "none", "get", "-i", "list.txt", "--retries", "0", "-d", folder])
}

fn is_right(folder: &Path, number: u64) -> Option<bool> {
    let bytes = std::fs::read(folder.join(number.to_string())).ok()?;
    Some(bytes.len() as u64 == LEN && pattern::first_difference(number, 0, &bytes).is_none())
}

fn a_bad_place(kind: FsKind, layer: Layer) {
    let disk = match FailingDisk::create(kind, layer, 64 << 20) {
        Ok(disk) => disk,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let site = (0..FILES).fold(Site::new(), |site, number| {
        site.with(&format!("/{number}"), Resource::pattern(number, LEN).etag("\"1\""))
    });
    let server = Server::start(site);
    let place = Place::new();
    let list: String = (0..FILES).map(|number| server.url(&format!("/{number}")) + "\n").collect();
    place.write("list.txt", list.as_bytes());
    let folder = disk.path().join("new/folder");

    let mut bad = vec![0; 40];
    pattern::fill(SPOILED, 100, &mut bad);
    disk.fail(Failing::Holding(bad));
    let ran = piton(&place, &folder);
    assert_ne!(ran.code, 0, "{ran:?}");
    disk.remount().unwrap();
    let there: Vec<Option<bool>> = (0..FILES).map(|number| is_right(&folder, number)).collect();
    assert!(!there.contains(&Some(false)), "{ran:?}: {there:?}");

    // On a disk that works the rest is done, and what was called done is there.
    let again = piton(&place, &folder);
    let ran = match again.code {
        0 => again,
        // Some were given up, since their own sync had failed.
        _ => place.piton(&["--config", "none", "retry", "list.txt"]),
    };
    assert_eq!(ran.code, 0, "{ran:?}");
    let there: Vec<Option<bool>> = (0..FILES).map(|number| is_right(&folder, number)).collect();
    assert_eq!(there, [Some(true); FILES as usize], "{ran:?}");
}

#[test]
fn a_bad_place_under_ext4() {
    a_bad_place(FsKind::Ext4, Layer::Plain);
}

#[test]
fn a_bad_place_under_an_overlay_on_ext4() {
    a_bad_place(FsKind::Ext4, Layer::Overlay);
}

#[test]
fn a_bad_place_under_an_overlay_on_xfs() {
    a_bad_place(FsKind::Xfs, Layer::Overlay);
}

#[test]
fn a_bad_place_under_an_overlay_on_btrfs() {
    a_bad_place(FsKind::Btrfs, Layer::Overlay);
}
