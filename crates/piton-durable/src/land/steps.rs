//! The two halves of landing one file: everything but its name, and the name.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Landing;
use crate::fs::{Existing, Fs, FsFile, parent_dir, write_all_at};
use crate::lock::LockError;
use crate::named::{self, Over};
use crate::part::{PartError, Target};

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
    let put = |error| PartError::io("put in place", path)(error);
    match file.link_to(path) {
        Ok(()) => return Ok(Name::Given),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(Name::NotHere),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(put(error)),
        Err(_) => {}
    }
    if fs.stat(path).map_err(put)?.is_some_and(|there| !there.is_file) {
        return Err(PartError::NotAFile { path: path.to_owned() });
    }
    match existing {
        Existing::Keep => Err(PartError::Exists { path: path.to_owned() }),
        Existing::Replace => replace(fs, file, path).map(|()| Name::Given),
    }
}

/// A link never replaces: the file gets a name beside, and is renamed from there. What a crash between
/// the two leaves there is taken away by the next one, or by the next that opens the part.
fn replace(fs: &dyn Fs, file: &dyn FsFile, path: &Path) -> Result<(), PartError> {
    let beside = Target::new(path.to_owned()).replacement();
    // Before it has a name: without a lock it is taken for what a crash left.
    let ours = file.try_lock().and_then(|locked| match locked {
        true => Ok(file.stat()?.id),
        false => Err(io::ErrorKind::ResourceBusy.into()),
    });
    let ours = ours.map_err(PartError::io("lock", &beside))?;
    link_beside(fs, file, path, &beside)?;
    named::put(fs, ours, &beside, path, Over::AnyFile).map_err(|error| {
        // The error is the one to tell of; a leftover is taken away by the next one.
        let _ = named::remove(fs, ours, &beside);
        PartError::name("put in place", path)(error)
    })
}

/// Names the file `beside`. Whoever else is about to replace the same file has that name for an instant,
/// and only then.
fn link_beside(
    fs: &dyn Fs,
    file: &dyn FsFile,
    path: &Path,
    beside: &Path,
) -> Result<(), PartError> {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(2);
    let mut why = PartError::io("put in place", path)(io::ErrorKind::AlreadyExists.into());
    for _ in 0..TRIES {
        match file.link_to(beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map_err(PartError::io("put in place", path)),
        }
        match named::sweep(fs, beside) {
            Ok(()) => {}
            Err(LockError::Held { holder }) => {
                why = PartError::Locked { path: path.to_owned(), holder };
                std::thread::sleep(PAUSE);
            }
            Err(LockError::Io(error)) => return Err(PartError::io("remove", beside)(error)),
        }
    }
    Err(why)
}
