//! Finds a log that was rotated: renamed beside the new one, with what was not read of it yet.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use piton_durable::fs::{Fs, Open, parent_dir};

use super::identity::{Growth, Identity};

/// Names that are looked at.
const NAMES: usize = 10_000;

/// The file beside `path` that is the one that was read up to `position`: it begins with the same name, has the same
/// inode, and its content is known. What cannot be looked at is none.
pub(super) fn find(
    fs: &dyn Fs,
    path: &Path,
    identity: &Identity,
    position: u64,
) -> Option<PathBuf> {
    let dir = parent_dir(path);
    let name = path.file_name()?.as_bytes();
    let begins = |other: &&PathBuf| {
        let other = other.as_os_str().as_bytes();
        other.starts_with(name) && other.len() > name.len()
    };
    let names = fs.list(dir).ok()?;
    names.iter().filter(begins).take(NAMES).map(|name| dir.join(name)).find(|candidate| {
        let is_it = || {
            let there = fs.lstat(candidate).ok()??;
            let same = (there.id.device, there.id.inode) == (identity.device, identity.inode);
            if !there.is_file || !same {
                return None;
            }
            let file = fs.open(candidate, Open::Read).ok()?;
            let len = file.stat().ok()?.len;
            identity.check(&*file, position, len, Growth::Accept).ok()?.ok()
        };
        is_it().is_some()
    })
}
