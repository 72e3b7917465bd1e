//! The two halves of landing one file: everything but its name, and the name.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Landing;
use crate::dirs;
use crate::dress::dress;
use crate::fs::{Existing, Fs, FsFile, parent_dir, write_all_at};
use crate::part::{Durability, PartError, Target};
use crate::replace::remove_if_there;

/// Writes a file without a name, with all that it has beside its bytes. `None`: not on this file system.
pub(super) fn stage(
    fs: &dyn Fs,
    landing: &Landing,
    folders: &mut Folders,
) -> Result<Option<Arc<dyn FsFile>>, PartError> {
    let path = &landing.path;
    let created = folders.create_unnamed(fs, parent_dir(path), landing.durability)?;
    let file = match created {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(None),
        result => result.map_err(PartError::io("create", path))?,
    };
    write_all_at(&*file, &landing.bytes, 0).map_err(PartError::io("write", path))?;
    dress(&*file, path, &landing.attributes, landing.modified)?;
    Ok(Some(file))
}

/// The folders that are known to be durable.
#[derive(Default)]
pub(super) struct Folders(HashSet<PathBuf>);

impl Folders {
    /// So many are remembered; then it forgets them all and looks again (G8).
    const MOST: usize = 4096;

    /// The outer error is one of the folder.
    fn create_unnamed(
        &mut self,
        fs: &dyn Fs,
        dir: &Path,
        durability: Durability,
    ) -> Result<io::Result<Arc<dyn FsFile>>, PartError> {
        // As the umask has it, like any new file.
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

    /// Makes a folder durable, and what was named in it. One that was there may not be: another process
    /// may have created it an instant ago.
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

/// How a file got its name, or not.
pub(super) enum Name {
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
) -> Result<Name, PartError> {
    let taken = match (file.link_to(path), existing) {
        (Ok(()), _) => return Ok(Name::Given),
        (Err(error), _) if error.kind() == io::ErrorKind::Unsupported => return Ok(Name::NotHere),
        (Err(error), _) if error.kind() != io::ErrorKind::AlreadyExists => error,
        (Err(_), Existing::Keep) => return Err(PartError::Exists { path: path.to_owned() }),
        (Err(_), Existing::Replace) => {
            return replace(fs, file, path)
                .map(|()| Name::Given)
                .map_err(PartError::io("put in place", path));
        }
    };
    Err(PartError::io("put in place", path)(taken))
}

/// A link never replaces: the file gets a name beside, and is renamed from there. What a crash between
/// the two leaves there is taken away by the next one, or by the next that opens the part.
fn replace(fs: &dyn Fs, file: &dyn FsFile, path: &Path) -> io::Result<()> {
    let beside = Target::new(path.to_owned()).replacement();
    match file.link_to(&beside) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_if_there(fs, &beside)?;
            file.link_to(&beside)?;
        }
        result => result?,
    }
    fs.rename(&beside, path, Existing::Replace).inspect_err(|_| {
        let _ = fs.remove(&beside);
    })
}
