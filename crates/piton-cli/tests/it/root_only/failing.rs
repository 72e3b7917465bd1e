//! Downloads and lists onto a disk that fails under them: nothing is called done that is not there and right.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use piton_testkit::power::{Failing, FailingDisk, FsKind, Layer};
use piton_testkit::seed::{draw, seed};
use piton_testkit::server::{MIB, Resource, Server, Site, pattern};

use crate::command::{Place, Ran};
use crate::urls::{Ask, Case, Differs, Files, Judge, PATIENCE, Urls, end_within};

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
    let mut disk = match FailingDisk::create(kind, layer, 64 << 20) {
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

/// A file of its own with a part and a journal, from two URLs of which one differs, while the disk has a bad
/// place or is gone from some moment on.
fn under_a_download(kind: FsKind, layer: Layer) {
    const LEN: u64 = 4 * MIB + 777;
    let mut disk = match FailingDisk::create(kind, layer, 64 << 20) {
        Ok(disk) => disk,
        Err(reason) => return piton_testkit::skip(reason),
    };
    let files = Files::new(LEN);
    let mut failed = 0;
    for round in 0..ROUNDS {
        let pick = |salt: u64, bound: u64| draw(round | (salt << 32), bound);
        let folder = disk.path().join(format!("round-{round}"));
        std::fs::create_dir(&folder).unwrap();
        let case = Case {
            judge: [Judge::Digest, Judge::Pieces, Judge::Both, Judge::Nothing][round as usize % 4],
            urls: 2,
            odd: pick(1, 2) as usize,
            differs: [Differs::InTheMiddle, Differs::FromHalfWay][pick(2, 2) as usize],
            ends_at: (round % 4 == 3).then_some(LEN / 3),
        };
        let urls = Urls::into(folder, case, &files, 3 * MIB);
        let bad_place = pick(3, 2) == 0;
        if bad_place {
            // Before the stretch in which they differ.
            let at = pick(4, LEN / 4) as usize;
            disk.fail(Failing::Holding(files.right[at..at + 40].to_vec()));
        }
        let child = urls.start(Ask::all(3));
        if !bad_place {
            sleep(Duration::from_millis(pick(5, 1200)));
            disk.fail(Failing::Everything);
        }
        let (code, said) = end_within(child, PATIENCE).unwrap();
        disk.remount().unwrap();
        failed += u32::from(code != 0);
        let checked = match code {
            0 => urls.check_done(Ask::all(3)),
            _ => urls.check_ended(Ask::all(3), code, &said).and_then(|()| urls.check_between(true)),
        };
        // The disk works again, and so do the servers.
        urls.heal();
        let checked = checked.and_then(|()| match urls.run(Ask::all(2)) {
            (0, _) => urls.check_done(Ask::all(2)),
            (code, said) => Err(format!("at the end: {code}, {said}")),
        });
        let told = checked.map_err(|problem| format!("{case:?} {code} {said}: {problem}"));
        assert_eq!(told, Ok(()), "{} {round}, PITON_TEST_SEED={}", kind.name(), seed());
        std::fs::remove_dir_all(urls.folder()).unwrap();
    }
    assert!(failed > 0, "the disk never failed under it");
}

const ROUNDS: u64 = 16;

#[test]
fn under_a_download_on_ext4() {
    under_a_download(FsKind::Ext4, Layer::Plain);
}

#[test]
fn under_a_download_on_an_overlay_on_ext4() {
    under_a_download(FsKind::Ext4, Layer::Overlay);
}

#[test]
fn under_a_download_on_an_overlay_on_xfs() {
    under_a_download(FsKind::Xfs, Layer::Overlay);
}

#[test]
fn under_a_download_on_an_overlay_on_btrfs() {
    under_a_download(FsKind::Btrfs, Layer::Overlay);
}
