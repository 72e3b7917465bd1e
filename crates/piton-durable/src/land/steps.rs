//! The two halves of landing one file: everything but its name, and the name.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Landing;
use crate::fs::{Existing, Fs, FsFile, parent_dir, write_all_at};
use crate::part::{PartError, Target};
use crate::replace::remove_if_there;

/// Writes a file without a name, with all that it has beside its bytes. `None`: not on this file system.
pub(super) fn stage(fs: &dyn Fs, landing: &Landing) -> Result<Option<Arc<dyn FsFile>>, PartError> {
    let path = &landing.path;
    let file = match create(fs, path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(None),
        result => result.map_err(PartError::io("create", path))?,
    };
    write_all_at(&*file, &landing.bytes, 0).map_err(PartError::io("write", path))?;
    for (name, value) in &landing.attributes {
        file.set_attribute(name, value).map_err(PartError::io("set an attribute of", path))?;
    }
    // Last: the steps before could change it.
    if let Some(modified) = landing.modified {
        file.set_modified(modified).map_err(PartError::io("set the time of", path))?;
    }
    Ok(Some(file))
}

fn create(fs: &dyn Fs, path: &Path) -> io::Result<Arc<dyn FsFile>> {
    // As the umask has it, like any new file.
    const MODE: u32 = 0o666;
    let dir = parent_dir(path);
    match fs.create_unnamed(dir, MODE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs.create_dir_all(dir)?;
            fs.create_unnamed(dir, MODE)
        }
        result => result,
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
