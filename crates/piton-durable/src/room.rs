//! Whether a file system still has room for what is small.

use std::io;
use std::path::Path;

use crate::fs::{Fs, FsFile, Open, write_all_at};
use crate::named;

/// What counts as small: with less room than this a disk is full.
const SMALL: usize = 256 << 10;

/// Writes and syncs 256 KiB in `dir`, and removes them again: whether the disk is full, or only something
/// large did not fit. A file without a name is used where there are such; elsewhere a kill can leave a
/// `.piton-probe-…` file behind.
///
/// # Errors
/// What the system says where it takes nothing more.
pub fn probe(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    match fs.create_unnamed(dir, 0o600) {
        Ok(file) => return fill(&*file),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(error) => return Err(error),
    }
    let path = dir.join(format!(".piton-probe-{:016x}", fs.random()?));
    let file = fs.open(&path, Open::CreateNew { mode: 0o600 })?;
    let filled = fill(&*file);
    let removed = file.stat().and_then(|stat| Ok(named::remove(fs, stat.id, &path)?));
    filled.and(removed)
}

fn fill(file: &dyn FsFile) -> io::Result<()> {
    // Not zeros, which a file system may not store at all.
    write_all_at(file, &vec![0xa5; SMALL], 0)?;
    // Some file systems find out only now.
    file.sync_data()
}
