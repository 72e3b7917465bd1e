//! Disks that are full or cannot be written. Mounts want root; without it these say SKIPPED.

use std::path::Path;

use piton_durable::part::PartError;
use piton_testkit::SmallDisk;

use super::*;

fn is_full(failure: &Failure) -> bool {
    let full = matches!(failure, Failure::Local(PartError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::StorageFull);
    full && failure.meaning().retry == Retry::WithRoom
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn into(desk: &Desk, folder: &Path, n: u16) -> Download {
    let mut what = desk.over(n, "/f");
    what.place = Place::Folder(folder.to_owned());
    what
}

#[test]
fn full_before_the_transfer() {
    let desk = Desk::with(Resource::pattern(1, 6 * MIB).etag("\"a\""), Fault::no_accept_ranges());
    let folder = desk.path("disk");
    let Some(disk) = SmallDisk::mount_at(&folder, "size=1536k") else { return };
    for n in [1, 3] {
        let failure = desk.get(into(&desk, &folder, n)).unwrap_err();
        assert!(is_full(&failure), "{failure:?}");
        assert!(!names(&folder).contains(&"f".to_owned()));
    }
    disk.remount("size=16m");
    desk.get(into(&desk, &folder, 2)).unwrap();
    assert_eq!(names(&folder), ["f"]);
    desk.assert_pattern("disk/f", 1, 6 * MIB);
}

/// A server says that much is to come, and breaks off.
#[test]
fn little_is_reserved_for_the_little_that_came() {
    let resource = Resource::pattern(1, 512 * MIB).etag("\"a\"");
    let desk = Desk::with(resource, Fault::cut_after(6000));
    for n in [1, 4] {
        let mut what = desk.over(n, "/f");
        what.retries = 0;
        desk.get(what).unwrap_err();
        let part = std::fs::metadata(desk.path("f.part")).unwrap();
        let held = std::os::unix::fs::MetadataExt::blocks(&part) * 512;
        assert!(held < MIB, "{held} bytes are still held");
    }
}

/// The length is not known beforehand, so that nothing can be reserved.
#[test]
fn full_in_the_middle() {
    let resource = Resource::pattern(1, 6 * MIB).etag("\"a\"");
    let desk = Desk::with(resource, Fault::chunked(8000).and(Fault::ignores_range()));
    let folder = desk.path("disk");
    let Some(disk) = SmallDisk::mount_at(&folder, "size=1536k") else { return };
    let failure = desk.get(into(&desk, &folder, 1)).unwrap_err();
    assert!(is_full(&failure), "{failure:?}");
    assert_eq!(names(&folder), ["f.part", "f.piton"]);
    disk.remount("size=16m");
    desk.get(into(&desk, &folder, 1)).unwrap();
    assert_eq!(names(&folder), ["f"]);
    desk.assert_pattern("disk/f", 1, 6 * MIB);
}

/// Room was reserved, but another program fills the disk before a journal can grow.
#[test]
fn no_room_for_another_name() {
    let desk = Desk::with(Resource::pattern(1, MIB).etag("\"a\""), Fault::no_accept_ranges());
    let folder = desk.path("disk");
    for inodes in 1..=4 {
        let Some(disk) = SmallDisk::mount_at(&folder, &format!("size=16m,nr_inodes={inodes}"))
        else {
            return;
        };
        match desk.get(into(&desk, &folder, 2)) {
            Ok(_) => desk.assert_pattern("disk/f", 1, MIB),
            Err(failure) => {
                assert!(is_full(&failure), "{inodes}: {failure:?}");
                assert!(!names(&folder).contains(&"f".to_owned()));
                disk.remount("nr_inodes=100");
                desk.get(into(&desk, &folder, 2)).unwrap();
                desk.assert_pattern("disk/f", 1, MIB);
            }
        }
    }
}

#[test]
fn a_disk_that_cannot_be_written() {
    let desk = Desk::with(Resource::pattern(1, MIB).etag("\"a\""), Fault::no_accept_ranges());
    let folder = desk.path("disk");
    let Some(_disk) = SmallDisk::mount_at(&folder, "ro") else { return };
    let failure = desk.get(into(&desk, &folder, 1)).unwrap_err();
    assert!(matches!(failure, Failure::Local(PartError::Io { .. })), "{failure:?}");
    assert_eq!(failure.meaning().retry, Retry::WithRoom);
}

/// The disk becomes read-only in the middle, as after an error of the file system.
#[test]
fn a_disk_that_turns_read_only() {
    let site =
        Site::new().with("/f", Resource::pattern(1, 6 * MIB).etag("\"a\"")).rate_total(6 * MIB);
    let desk = Desk::new(site);
    let folder = desk.path("disk");
    let Some(disk) = SmallDisk::mount_at(&folder, "size=32m") else { return };
    desk.kill_at(into(&desk, &folder, 2), 3 * MIB);
    disk.remount("ro");
    let failure = desk.get(into(&desk, &folder, 2)).unwrap_err();
    assert!(matches!(failure, Failure::Local(PartError::Io { .. })), "{failure:?}");
    disk.remount("rw");
    let outcome = desk.get(into(&desk, &folder, 2)).unwrap();
    assert!(outcome.resumed > MIB, "{outcome:?}");
    desk.assert_pattern("disk/f", 1, 6 * MIB);
}

/// Where nothing can be written nothing has to be synced either.
#[test]
fn a_file_that_is_complete_on_a_read_only_disk() {
    let desk = Desk::new(Site::new().with("/f", Resource::pattern(1, MIB).etag("\"a\"")));
    let folder = desk.path("disk");
    let Some(disk) = SmallDisk::mount_at(&folder, "size=32m") else { return };
    desk.get(into(&desk, &folder, 1)).unwrap();
    disk.remount("ro");
    let outcome = desk.get(into(&desk, &folder, 1)).unwrap();
    assert!(outcome.already_complete, "{outcome:?}");
}

#[test]
fn places_that_cannot_be() {
    let desk = Desk::with(Resource::pattern(1, MIB), Fault::no_accept_ranges());
    desk.write("file", b"x");
    for place in [
        Place::Folder(desk.path("file")),
        Place::File(desk.path("file/f")),
        Place::File(desk.path(&"n".repeat(300))),
        Place::File(PathBuf::from("/proc/piton-cannot-write-here")),
        Place::File(PathBuf::from("/dev/null/f")),
    ] {
        let mut what = desk.what("/f");
        what.place = place.clone();
        let failure = desk.get(what).unwrap_err();
        assert!(matches!(failure, Failure::Local(PartError::Io { .. })), "{place:?}: {failure:?}");
        assert_eq!(desk.files(), ["file"]);
    }
}

#[test]
fn folders_that_are_not_there_yet_are_made() {
    let desk = Desk::with(Resource::pattern(1, MIB), Fault::no_accept_ranges());
    let mut what = desk.what("/f");
    what.place = Place::File(desk.path("a/b/c.bin"));
    desk.get(what).unwrap();
    desk.assert_pattern("a/b/c.bin", 1, MIB);
}
