//! Whether a file system still has space for something small.

use std::io;
use std::path::Path;

use crate::fs::{Fs, FsFile, Open, write_all_at};
use crate::named;

/// What counts as small: with less space than this a disk is full.
const SMALL: usize = 256 << 10;

/// Whether an error says that there is no space, on the disk or within a quota.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Writes and syncs 256 KiB in `dir`, and removes them again: this shows whether the disk is full, or only
/// something large did not fit. It uses a file without a name if it can; otherwise a kill can leave a
/// `.piton-probe-…` file behind.
///
/// # Errors
/// The error of the system, if the disk is full.
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
    // Not zeros: a file system may not store them.
    write_all_at(file, &vec![0xa5; SMALL], 0)?;
    // Some file systems notice only now.
    file.sync_data()
}
