//! Files in one directory, while somebody else moves directories about in it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::crc::crc32c;
use piton_durable::extent::Extent;
use piton_durable::fs::{Existing, Fs, LeadsOut, Open, OsFs, write_all_at};
use piton_durable::part::{Durability, OpenPart, Opened, Part, Target};

use crate::real::finish;

/// A directory `in` with a file in `in/a`, one beside it that is nobody's business, and the files of `in`.
struct Beneath {
    scratch: tempfile::TempDir,
    fs: Arc<dyn Fs>,
}

impl Beneath {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("in/a")).unwrap();
        fs::create_dir(scratch.path().join("out")).unwrap();
        fs::write(scratch.path().join("in/a/file"), "of a").unwrap();
        fs::write(scratch.path().join("out/file"), "precious").unwrap();
        let fs = OsFs.beneath(&scratch.path().join("in")).unwrap().unwrap();
        Self { scratch, fs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// As somebody does who may write in `in`: `a` is a link to `out` now.
    fn swap(&self) {
        fs::rename(self.path("in/a"), self.path("moved")).unwrap();
        symlink(self.path("out"), self.path("in/a")).unwrap();
    }

    fn assert_untouched(&self) {
        let names: Vec<_> = OsFs.list(&self.path("out")).unwrap();
        assert_eq!(names, [Path::new("file")]);
        assert_eq!(fs::read(self.path("out/file")).unwrap(), b"precious");
    }
}

fn leads_out<T>(result: io::Result<T>) -> bool {
    let Err(error) = result else { return false };
    let told = error.get_ref().is_some_and(|error| error.is::<LeadsOut>());
    told && error.kind() == io::ErrorKind::CrossesDevices
}

/// Everything that can be done to a path, tried on one that leads out.
fn assert_nothing_goes(fs: &dyn Fs, dir: &Path, inside: &Path) {
    let file = dir.join("file");
    let new = dir.join("new");
    for how in [Open::Read, Open::ReadWrite, Open::Create { mode: 0o600 }] {
        assert!(leads_out(fs.open(&file, how)), "{how:?}");
    }
    assert!(leads_out(fs.open(&new, Open::CreateNew { mode: 0o600 })));
    assert!(leads_out(fs.create_unnamed(dir, 0o600)));
    assert!(leads_out(fs.stat(&file)) && leads_out(fs.lstat(&file)));
    for existing in [Existing::Replace, Existing::Keep] {
        assert!(leads_out(fs.rename(&file, inside, existing)));
        assert!(leads_out(fs.rename(inside, &file, existing)));
    }
    assert!(leads_out(fs.remove(&file)));
    assert!(leads_out(fs.sync_dir(dir)) && leads_out(fs.list(dir)));
    assert!(leads_out(fs.create_dir(&new)));
    assert!(leads_out(fs.canonicalize(&file)) && leads_out(fs.new_file_mode(dir)));
    if let Ok(unnamed) =
        fs.create_unnamed(fs::canonicalize(inside).unwrap().parent().unwrap(), 0o600)
    {
        assert!(leads_out(unnamed.link_to(&new)));
    }
}

#[test]
fn no_way_leads_out() {
    let it = Beneath::new();
    fs::write(it.path("in/file"), "inside").unwrap();
    symlink(it.path("out"), it.path("in/absolute")).unwrap();
    symlink("../out", it.path("in/relative")).unwrap();
    symlink("a/../../out", it.path("in/winding")).unwrap();
    for link in ["absolute", "relative", "winding"] {
        assert_nothing_goes(&*it.fs, &it.path("in").join(link), &it.path("in/file"));
        // The link itself is there, and what it leads to is not looked at.
        assert!(it.fs.lstat(&it.path("in").join(link)).unwrap().is_some(), "{link}");
        assert!(leads_out(it.fs.stat(&it.path("in").join(link))), "{link}");
    }
    assert_nothing_goes(&*it.fs, &it.path("out"), &it.path("in/file"));
    assert_nothing_goes(&*it.fs, &it.path("in/../out"), &it.path("in/file"));
    symlink(it.path("out/file"), it.path("in/link")).unwrap();
    assert!(leads_out(it.fs.open(&it.path("in/link"), Open::Read)));
    it.assert_untouched();
}

#[test]
fn links_that_stay_inside_are_followed_whatever_they_look_like() {
    let it = Beneath::new();
    symlink(it.path("in/a"), it.path("in/absolute")).unwrap();
    symlink("a", it.path("in/relative")).unwrap();
    fs::create_dir(it.path("in/b")).unwrap();
    symlink("../a", it.path("in/b/up")).unwrap();
    symlink("file", it.path("in/a/again")).unwrap();
    for path in ["in/absolute/file", "in/relative/file", "in/b/up/file", "in/relative/again"] {
        let path = it.path(path);
        assert_eq!(it.fs.stat(&path).unwrap().unwrap().len, 4, "{}", path.display());
        let mut read = [0; 4];
        it.fs.open(&path, Open::Read).unwrap().read_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"of a");
        assert_eq!(it.fs.canonicalize(&path).unwrap(), fs::canonicalize(&path).unwrap());
    }
    it.fs.open(&it.path("in/b/up/new"), Open::CreateNew { mode: 0o600 }).unwrap();
    assert!(it.path("in/a/new").exists());
    // To write, a link in the last place is refused as everywhere.
    assert!(it.fs.open(&it.path("in/a/again"), Open::ReadWrite).is_err());
}

#[test]
fn a_directory_that_becomes_a_link_is_not_followed() {
    let it = Beneath::new();
    // Once while it is held open, and once by a fresh look.
    it.fs.stat(&it.path("in/a/file")).unwrap().unwrap();
    it.swap();
    it.fs.open(&it.path("in/a/new"), Open::CreateNew { mode: 0o600 }).unwrap();
    it.fs.remove(&it.path("in/a/file")).unwrap();
    assert!(it.path("moved/new").exists() && !it.path("moved/file").exists());
    let fresh = OsFs.beneath(&it.path("in")).unwrap().unwrap();
    assert!(leads_out(fresh.open(&it.path("in/a/new"), Open::CreateNew { mode: 0o600 })));
    it.assert_untouched();
}

#[test]
fn a_download_to_a_directory_that_becomes_a_link_ends_where_it_began() {
    let it = Beneath::new();
    let target = Target::new(it.path("in/a/big"));
    let how = OpenPart { durability: Durability::Power, ..OpenPart::default() };
    let Opened::Part(part, _) = Part::open(Arc::clone(&it.fs), &target, how).unwrap() else {
        panic!("nothing was finished")
    };
    let bytes = vec![7; 100_000];
    part.begin(b"meta", Some(bytes.len() as u64)).unwrap();
    part.write(&bytes, 0).unwrap();
    it.swap();
    part.claim(Extent { start: 0, len: bytes.len() as u64, crc: crc32c(&bytes) }).unwrap();
    part.checkpoint().unwrap();
    part.finish(finish(bytes.len() as u64)).unwrap();
    assert_eq!(fs::read(it.path("moved/big")).unwrap(), bytes);
    it.assert_untouched();
}

#[test]
fn a_directory_that_was_removed_and_created_again_takes_files() {
    let it = Beneath::new();
    it.fs.stat(&it.path("in/a/file")).unwrap().unwrap();
    fs::remove_dir_all(it.path("in/a")).unwrap();
    assert_eq!(it.fs.stat(&it.path("in/a/file")).unwrap(), None);
    fs::create_dir(it.path("in/a")).unwrap();
    let file = it.fs.open(&it.path("in/a/new"), Open::CreateNew { mode: 0o600 }).unwrap();
    write_all_at(&*file, b"new", 0).unwrap();
    assert_eq!(fs::read(it.path("in/a/new")).unwrap(), b"new");
}

/// Whatever is asked first of a directory that was removed while it was held open, and created again.
#[test]
fn the_new_directory_is_found_whatever_is_done_first() {
    type First = fn(&dyn Fs, &dyn Fn(&str) -> PathBuf);
    let firsts: [First; 8] = [
        |fs, path| assert!(fs.lstat(&path("in/a/new")).unwrap().is_some()),
        |fs, path| drop(fs.open(&path("in/a/new"), Open::Read).unwrap()),
        |fs, path| assert_eq!(fs.read_link(&path("in/a/link")).unwrap(), Some("new".into())),
        |fs, path| fs.rename(&path("in/a/new"), &path("in/x"), Existing::Replace).unwrap(),
        |fs, path| fs.rename(&path("in/file"), &path("in/a/x"), Existing::Keep).unwrap(),
        |fs, path| fs.remove(&path("in/a/new")).unwrap(),
        |fs, path| fs.create_dir(&path("in/a/x")).unwrap(),
        |fs, path| assert_eq!(fs.list(&path("in/a")).unwrap().len(), 2),
    ];
    for first in firsts {
        let it = Beneath::new();
        fs::write(it.path("in/file"), "x").unwrap();
        it.fs.stat(&it.path("in/a/file")).unwrap().unwrap();
        fs::remove_dir_all(it.path("in/a")).unwrap();
        fs::create_dir(it.path("in/a")).unwrap();
        fs::write(it.path("in/a/new"), "new").unwrap();
        symlink("new", it.path("in/a/link")).unwrap();
        first(&*it.fs, &|path| it.path(path));
    }
}

/// A file without a name gets it where the path leads now, or nowhere.
#[test]
fn a_file_is_named_in_the_new_directory() {
    let it = Beneath::new();
    let file = it.fs.create_unnamed(&it.path("in/a"), 0o600).unwrap();
    fs::remove_dir_all(it.path("in/a")).unwrap();
    let lost = file.link_to(&it.path("in/a/new")).unwrap_err();
    assert_eq!(lost.kind(), io::ErrorKind::NotFound);
    fs::create_dir(it.path("in/a")).unwrap();
    file.link_to(&it.path("in/a/new")).unwrap();
    assert!(it.path("in/a/new").exists());
}

#[test]
fn more_directories_than_are_held_open_are_used_in_turn() {
    let it = Beneath::new();
    for round in 0..2 {
        for number in 0..300 {
            let dir = it.path("in").join(number.to_string());
            if round == 0 {
                it.fs.create_dir(&dir).unwrap();
            }
            it.fs.open(&dir.join(round.to_string()), Open::CreateNew { mode: 0o600 }).unwrap();
        }
    }
    let open = fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 200, "{open}");
    let mut names = it.fs.list(&it.path("in/99")).unwrap();
    names.sort();
    assert_eq!(names, [Path::new("0"), Path::new("1")]);
}
