//! The names of one download.

use std::path::{Path, PathBuf};

use crate::beside::{LONGEST, shortened};

/// The longest of the suffixes below.
const TEMPORARY: &str = ".piton.tmp";

/// The three names of one download: `NAME`, `NAME.part`, `NAME.piton`. If `NAME` has no room for the
/// suffixes, all but the first are built from a shorter name that depends only on `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    private: bool,
}

impl Target {
    /// The target whose final name is `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, private: false }
    }

    /// The same for a file that only its owner may read, at any instant, whatever file exists there.
    pub fn private(path: PathBuf) -> Self {
        Self { path, private: true }
    }

    /// Which permission bits the finished file may have.
    pub(super) fn mode(&self) -> u32 {
        if self.private { 0o600 } else { 0o666 }
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `NAME.part`.
    pub fn part(&self) -> PathBuf {
        self.named(".part")
    }

    /// `NAME.piton`.
    pub fn journal(&self) -> PathBuf {
        self.named(".piton")
    }

    /// `NAME.piton.tmp`: a journal that does not have its name yet. One fixed name is enough, since
    /// only the owner of the lock writes it. A leftover is found without listing the directory.
    pub(super) fn temporary(&self) -> PathBuf {
        self.named(TEMPORARY)
    }

    /// `NAME.piton.new`: a small file in the instant before it replaces the one under the final name.
    /// One fixed name here too, so that crashes leave one file at most.
    pub(crate) fn replacement(&self) -> PathBuf {
        self.named(".piton.new")
    }

    /// Whether the name is too long for the others to contain it.
    pub fn is_long(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.len() > LONGEST - TEMPORARY.len())
    }

    fn named(&self, suffix: &str) -> PathBuf {
        let name = self.path.file_name().filter(|_| self.is_long()).map(shortened);
        let mut path = match name {
            Some(short) => self.path.with_file_name(short),
            None => self.path.clone(),
        }
        .into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    }
}
