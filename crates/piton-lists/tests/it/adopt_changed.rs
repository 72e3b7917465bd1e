//! A list that somebody writes while a done file is compared with it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Existing, Fs, FsFile, Open, OsFs, Stat};
use piton_fetch::Stop;
use piton_lists::adopt::{AdoptError, Adoption};

use super::adopted::{adoption, done, lay_out};

/// Writes a line to the list whenever somebody looks for a file of it.
struct Editor {
    list: PathBuf,
}

impl Fs for Editor {
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        if path.extension().is_some_and(|last| last == "bin") {
            let mut list = std::fs::OpenOptions::new().append(true).open(&self.list)?;
            list.write_all(b"http://h/late/x.bin\n")?;
        }
        OsFs.stat(path)
    }
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        OsFs.open(path, how)
    }
    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        OsFs.create_unnamed(dir, mode)
    }
    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        OsFs.rename(from, to, existing)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsFs.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsFs.sync_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        OsFs.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsFs.create_dir(dir)
    }
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        OsFs.canonicalize(path)
    }
    fn user(&self) -> u32 {
        OsFs.user()
    }
    fn new_file_mode(&self, dir: &Path) -> io::Result<u32> {
        OsFs.new_file_mode(dir)
    }
    fn random(&self) -> io::Result<u64> {
        OsFs.random()
    }
}

#[test]
fn a_list_that_is_written_meanwhile_is_said() {
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), 1);
    std::fs::write(dir.path().join("x.bin"), "x").unwrap();
    let editor = Arc::new(Editor { list: dir.path().join("list") });
    let failed = Adoption { fs: editor, trust: false, ..adoption(dir.path()) }.adopt(&Stop::new());
    assert!(matches!(failed, Err(AdoptError::Changed { marked: true, .. })), "{failed:?}");
    // What was marked stays, and the list as it is now is another one for the next call.
    assert_eq!(done(dir.path()), 1);
    let report = adoption(dir.path()).adopt(&Stop::new()).unwrap();
    assert_eq!((report.items, report.already, report.marked), (2, 1, 0));
}
