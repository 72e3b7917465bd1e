//! The two halves of landing one file: everything but its name, and the name.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Landing;
use crate::dirs;
use crate::fs::{Existing, Fs, FsFile, parent_dir, write_all_at};
use crate::lock::LockError;
use crate::metadata::apply_metadata;
use crate::named::{self, Overwrite};
use crate::part::{Durability, PartError, Target};

/// Writes a file without a name, with its metadata. `None`: not supported by this file system.
pub(super) fn stage(
    fs: &dyn Fs,
    landing: &Landing,
    folders: &mut DurableFolders,
) -> Result<Option<Arc<dyn FsFile>>, PartError> {
    let path = &landing.path;
    let created = folders.create_unnamed(fs, parent_dir(path), landing.durability)?;
    let file = match created {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(None),
        result => result.map_err(PartError::io("create", path))?,
    };
    write_all_at(&*file, &landing.bytes, 0).map_err(PartError::io("write", path))?;
    apply_metadata(&*file, path, &landing.attributes, landing.modified)?;
    Ok(Some(file))
}

/// The folders that are known to be durable.
#[derive(Default)]
pub(super) struct DurableFolders(HashSet<PathBuf>);

impl DurableFolders {
    /// This many are remembered; beyond that all are forgotten (G8).
    const MOST: usize = 4096;

    /// The outer error is one of the folder.
    fn create_unnamed(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        durability: Durability,
    ) -> Result<io::Result<Arc<dyn FsFile>>, PartError> {
        // Reduced by the umask, as for any new file.
        const MODE: u32 = 0o666;
        match fs.create_unnamed(dir, MODE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dirs::create(fs, dir, durability)?;
                if durability == Durability::Power {
                    self.remember(dir);
                }
                Ok(fs.create_unnamed(dir, MODE))
            }
            result => Ok(result),
        }
    }

    /// Makes a folder durable, and what was named in it. An existing folder may not be durable: another
    /// process may have created it an instant ago.
    pub(super) fn sync(&mut self, fs: &dyn Fs, dir: &Path) -> io::Result<()> {
        if !self.0.contains(dir) {
            dirs::settle(fs, dir).map_err(|error| error.source)?;
            self.remember(dir);
        }
        fs.sync_dir(dir)
    }

    fn remember(&mut self, dir: &Path) {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(dir.to_owned());
    }
}

/// Whether a file got its name.
pub(super) enum Naming {
    /// It has it.
    Given,
    /// Files cannot be named later on this file system.
    NotHere,
}

/// Gives the file its final name, atomically.
pub(super) fn name(
    fs: &dyn Fs,
    file: &dyn FsFile,
    path: &Path,
    existing: Existing,
) -> Result<Naming, PartError> {
    let put = |error| PartError::io("move into place", path)(error);
    match file.link_to(path) {
        Ok(()) => return Ok(Naming::Given),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Naming::NotHere),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(put(error)),
        Err(_) => {}
    }
    if fs.stat(path).map_err(put)?.is_some_and(|there| !there.is_file) {
        return Err(PartError::NotAFile { path: path.to_owned() });
    }
    match existing {
        Existing::Keep => Err(PartError::Exists { path: path.to_owned() }),
        Existing::Replace => replace(fs, file, path).map(|()| Naming::Given),
    }
}

/// A link never replaces: the file gets a name beside it, and is renamed from there. What a crash between
/// the two leaves is removed by the next landing, or when the part is opened.
fn replace(fs: &dyn Fs, file: &dyn FsFile, path: &Path) -> Result<(), PartError> {
    let beside = Target::new(path.to_owned()).replacement();
    // Before it has a name: without a lock it counts as a leftover.
    let ours = file.try_lock().and_then(|locked| match locked {
        true => Ok(file.stat()?.id),
        false => Err(io::ErrorKind::ResourceBusy.into()),
    });
    let ours = ours.map_err(PartError::io("lock", &beside))?;
    link_beside(fs, file, path, &beside)?;
    named::put(fs, ours, &beside, path, Overwrite::AnyFile).map_err(|error| {
        // The first error matters more; the next landing removes a leftover.
        let _ = named::remove(fs, ours, &beside);
        PartError::name("move into place", path)(error)
    })
}

/// Names the file `beside`. Another process that replaces the same file has that name for an instant.
fn link_beside(
    fs: &dyn Fs,
    file: &dyn FsFile,
    path: &Path,
    beside: &Path,
) -> Result<(), PartError> {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(2);
    let mut why = PartError::io("move into place", path)(io::ErrorKind::AlreadyExists.into());
    for _ in 0..TRIES {
        match file.link_to(beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map_err(PartError::io("move into place", path)),
        }
        match named::sweep(fs, beside) {
            Ok(()) => {}
            Err(LockError::Held { holder }) => {
                why = PartError::Locked { path: path.to_owned(), holder };
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(PartError::lock(error, beside, path)),
        }
    }
    Err(why)
}
