//! Directories that are durable.

use std::io;
use std::path::{Path, PathBuf};

use crate::fs::{Fs, parent_dir};
use crate::part::Durability;

/// An operation that failed while a directory was created.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct DirError {
    /// The operation, as a verb.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why. `NotADirectory` if a file is in the way.
    pub source: io::Error,
}

impl DirError {
    fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { what, path: path.to_owned(), source }
    }
}

/// Creates `dir` and its missing parents. With [`Durability::Power`] each of them is durable in its
/// parent when this returns, so that what is made durable in `dir` is there after a power cut (G1).
///
/// # Errors
/// Directories that were created stay.
pub fn create(fs: &dyn Fs, dir: &Path, durability: Durability) -> Result<(), DirError> {
    create_below(fs, dir, durability, |_| false)
}

/// As [`create`], where `known` returns whether a directory exists and is durable already.
///
/// # Errors
/// As [`create`].
pub fn create_below(
    fs: &dyn Fs,
    dir: &Path,
    durability: Durability,
    known: impl Fn(&Path) -> bool,
) -> Result<(), DirError> {
    let durable = durability == Durability::Power;
    let mut missing = Vec::new();
    let mut at = dir;
    loop {
        match fs.stat(at).map_err(DirError::of("inspect", at))? {
            Some(stat) if stat.is_dir => {
                if durable && !known(at) {
                    settle(fs, at)?;
                }
                break;
            }
            Some(_) => return Err(DirError::of("create", at)(io::ErrorKind::NotADirectory.into())),
            None => missing.push(at),
        }
        let above = parent_dir(at);
        if above == at || above == Path::new(".") {
            break;
        }
        at = above;
    }
    // From the top, each durable before the next: so after a crash only the deepest may not be durable.
    for new in missing.into_iter().rev() {
        match fs.create_dir(new) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_dir(fs, new) => {}
            result => result.map_err(DirError::of("create", new))?,
        }
        if durable {
            let above = parent_dir(new);
            fs.sync_dir(above).map_err(DirError::of("sync the directory", above))?;
        }
    }
    Ok(())
}

fn is_dir(fs: &dyn Fs, path: &Path) -> bool {
    matches!(fs.stat(path), Ok(Some(stat)) if stat.is_dir)
}

/// Makes an existing directory durable: the process that created it, perhaps an instant ago, may have been
/// killed before it did.
pub(crate) fn settle(fs: &dyn Fs, dir: &Path) -> Result<(), DirError> {
    let above = parent_dir(dir);
    if dir.file_name().is_none() || above == dir {
        return Ok(());
    }
    let device = |path: &Path| -> Result<Option<u64>, DirError> {
        let stat = fs.stat(path).map_err(DirError::of("inspect", path))?;
        Ok(stat.map(|stat| stat.id.device))
    };
    let device_above = match device(above) {
        // The directory that `fs` is limited to (`Fs::beneath`): it is durable already.
        Err(error) if error.source.kind() == io::ErrorKind::CrossesDevices => return Ok(()),
        device => device?,
    };
    // A mount point belongs to another file system.
    if device_above != device(dir)? {
        return Ok(());
    }
    sync_found(fs, above).map_err(DirError::of("sync the directory", above))
}

/// Syncs an existing directory. If this process may not read or write it, it has not created
/// anything there that needs a sync.
pub(crate) fn sync_found(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    match fs.sync_dir(dir) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}
