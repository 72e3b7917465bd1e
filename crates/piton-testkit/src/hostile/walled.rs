//! A folder in which anything may happen, and nothing beside it.

#![allow(clippy::disallowed_methods, reason = "a folder for tests, which need not last")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const OUTSIDE: &str = "outside";
const WORK: &str = "work";

/// Two folders beside each other: one for what is run, and one that must stay as it is.
#[derive(Debug)]
pub struct Walled {
    dir: TempDir,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Default for Walled {
    fn default() -> Self {
        Self::new()
    }
}

impl Walled {
    /// Both, the one with a file in it that must stay.
    ///
    /// # Panics
    /// If they cannot be made.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in [OUTSIDE, WORK] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join(OUTSIDE).join("precious"), "precious").unwrap();
        let before = files(&dir.path().join(OUTSIDE));
        Self { dir, before }
    }

    /// The folder for what is run.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join(WORK)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    /// Looks whether what was run stayed in its folder, and left this login in none of its files.
    ///
    /// # Panics
    /// If not.
    pub fn holds(&self, login: &str) {
        assert_eq!(files(&self.dir.path().join(OUTSIDE)), self.before, "outside of the folder");
        let beside = fs::read_dir(&self.dir).unwrap().count();
        assert_eq!(beside, 2, "something was made beside the folder");
        for (path, bytes) in files(&self.work()) {
            let has = bytes.windows(login.len()).any(|window| window == login.as_bytes());
            assert!(!has, "the login is in {}", path.display());
        }
    }
}

/// Every file at and below a folder, with its bytes.
///
/// # Panics
/// If one cannot be read.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => _ = found.insert(path.clone(), fs::read(&path).unwrap()),
        }
    }
    found
}
