//! The files of a folder, one after the other.
//!
//! They come in the order of their names, a folder at the place of its name: the same order in every run. A hash of all
//! names so far says whether the files before the position are still those that were processed.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::Fs;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The deepest folder: a tree that is deeper is no tree of files.
const DEPTH: usize = 256;

/// How far the files of a folder are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesPosition {
    /// So many.
    pub files: u64,
    /// The BLAKE3 hash of their names.
    pub names: String,
}

/// The files of a folder and those below it, each with the position behind it.
pub struct Files {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    /// The names that are left in each folder on the way down, the next one last.
    stack: Vec<(PathBuf, Vec<PathBuf>)>,
    files: u64,
    names: blake3::Hasher,
    over: bool,
}

impl Files {
    pub(crate) fn open(fs: &Arc<dyn Fs>, root: &Path) -> Result<Self, Error> {
        let mut files = Self {
            fs: Arc::clone(fs),
            root: root.to_owned(),
            stack: Vec::new(),
            files: 0,
            names: blake3::Hasher::new(),
            over: false,
        };
        files.enter(root.to_owned())?;
        Ok(files)
    }

    /// Passes the files that are done.
    pub(crate) fn skip_to(&mut self, done: &FilesPosition) -> Result<(), Error> {
        let mut last = None;
        while self.files < done.files {
            match self.next() {
                Some(file) => last = Some(file?.0),
                None => break,
            }
        }
        let same = last.as_ref().is_none_or(|last| last == done) && self.files == done.files;
        match same {
            true => Ok(()),
            false => Err(Error::FilesChanged { dir: self.root.clone(), files: done.files }),
        }
    }

    fn enter(&mut self, dir: PathBuf) -> Result<(), Error> {
        let mut names = self.fs.list(&dir).map_err(Error::io("read the folder", &dir))?;
        let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
        names.sort_by_cached_key(|name| std::cmp::Reverse(bytes(name)));
        self.stack.push((dir, names));
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<(FilesPosition, PathBuf)>, Error> {
        while let Some((dir, names)) = self.stack.last_mut() {
            let Some(name) = names.pop() else {
                self.stack.pop();
                continue;
            };
            let path = dir.join(name);
            match self.kind(&path)? {
                Kind::Folder if self.stack.len() < DEPTH => self.enter(path)?,
                Kind::Folder => {
                    let too_deep = io::ErrorKind::InvalidFilename.into();
                    return Err(Error::io("read the folder", &path)(too_deep));
                }
                Kind::File => {
                    let name = path.strip_prefix(&self.root).unwrap_or(&path);
                    self.names.update(name.as_os_str().as_bytes());
                    self.names.update(b"\0");
                    self.files += 1;
                    let names = self.names.finalize().to_hex().to_string();
                    return Ok(Some((FilesPosition { files: self.files, names }, path)));
                }
                Kind::Other => {}
            }
        }
        Ok(None)
    }

    /// A link to a file counts as that file, one to a folder does not: it may lead up.
    fn kind(&self, path: &Path) -> Result<Kind, Error> {
        let inspect = || Error::io("inspect", path);
        let Some(there) = self.fs.lstat(path).map_err(inspect())? else { return Ok(Kind::Other) };
        if there.is_dir {
            return Ok(Kind::Folder);
        }
        let is_file = match there.is_file {
            true => true,
            false => self.fs.stat(path).map_err(inspect())?.is_some_and(|there| there.is_file),
        };
        Ok(if is_file { Kind::File } else { Kind::Other })
    }
}

/// What has a name in a folder.
enum Kind {
    File,
    Folder,
    /// A device, a FIFO, a link to a folder, or it was removed meanwhile.
    Other,
}

impl Iterator for Files {
    type Item = Result<(FilesPosition, PathBuf), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.advance().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}
