//! Where a file is written if its name is a symbolic link.
//!
//! A link is never replaced by a file, only its target. So the target is resolved first, and all files of a
//! download are beside the real one: a rename stays within its folder and its file system.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::fs::{Fs, Stat, parent_dir};
use crate::own::NotOurs;
use crate::part::PartError;

/// As many links as the system follows.
const MOST: usize = 40;

/// Where a file of the name `path` is written: there, or at the target of the link of that name, even if
/// that does not exist yet. The caller has to check for devices, FIFOs, sockets and folders.
///
/// Only links of this user and of root are followed: another user could aim the write at any file of this
/// user, which is worst if that is root.
///
/// # Errors
/// [`PartError::NotAFile`] if the target is not a regular file; [`PartError::NotOurs`]; and
/// [`PartError::Io`] if it is a loop, leads into a folder that does not exist, or, with an
/// [`Fs::beneath`], out of it.
pub fn target(fs: &dyn Fs, path: &Path) -> Result<PathBuf, PartError> {
    let look = |at: &Path| fs.lstat(at).map_err(PartError::io("inspect", at));
    let Some(to) = link(fs, path, look(path)?)? else { return Ok(path.to_owned()) };
    let end = fs.stat(path).map_err(PartError::io("follow the link", path))?;
    let not_a_file = || PartError::NotAFile { path: path.to_owned() };
    if end.is_some_and(|end| !end.is_file) {
        return Err(not_a_file());
    }
    let mut at = step(fs, path, &to)?.ok_or_else(not_a_file)?;
    for _ in 0..MOST {
        let there = look(&at)?;
        if let Some(to) = link(fs, &at, there)? {
            at = step(fs, &at, &to)?.ok_or_else(not_a_file)?;
            continue;
        }
        // Some links of /proc contain another name than that of their target.
        return match there.map(|it| it.id) == end.map(|it| it.id) {
            true => Ok(at),
            false => Err(not_a_file()),
        };
    }
    Err(PartError::io("follow the link", path)(Errno::LOOP.into()))
}

/// The text of the link at `path`, if `there` is one.
fn link(fs: &dyn Fs, path: &Path, there: Option<Stat>) -> Result<Option<PathBuf>, PartError> {
    let Some(there) = there.filter(|there| !there.is_file && !there.is_dir) else {
        return Ok(None);
    };
    let to = fs.read_link(path).map_err(PartError::io("follow the link", path))?;
    const ROOT: u32 = 0;
    if to.is_some() && ![fs.user(), ROOT].contains(&there.owner.user) {
        let why = NotOurs::OtherOwner { owner: there.owner.user, user: fs.user() };
        return Err(PartError::NotOurs { path: path.to_owned(), why });
    }
    Ok(to)
}

/// The target of the link at `path` with the text `to`: a name in an existing folder. `None`: a folder.
fn step(fs: &dyn Fs, path: &Path, to: &Path) -> Result<Option<PathBuf>, PartError> {
    let to = parent_dir(path).join(to);
    let Some(name) = to.file_name() else { return Ok(None) };
    let folder = fs.canonicalize(parent_dir(&to)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let text =
                format!("it points to {}, which is in a folder that does not exist", to.display());
            io::Error::new(io::ErrorKind::NotFound, text)
        }
        _ => error,
    });
    Ok(Some(folder.map_err(PartError::io("follow the link", path))?.join(name)))
}
