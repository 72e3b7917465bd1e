//! A list that somebody writes while a done file is compared with it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Fs, OsFs, Stat};
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

    piton_testkit::forward_fs!(this => OsFs;
        open create_unnamed rename remove sync_dir list create_dir canonicalize user new_file_mode
        random);
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
