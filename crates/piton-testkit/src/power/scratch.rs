//! A directory for one driver's image and mounts, and the sweep of those that a killed process left
//! behind.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::mount;

const PREFIX: &str = "piton-power-";
const LOCK: &str = "piton-power.lock";
/// Held locked for as long as the owner of the directory lives.
const OWNER: &str = "owner";
/// Each lies on the next, and goes before it.
const MOUNTS: [&str; 3] = ["overlay", "mounted", "fuse"];

/// A directory that is unmounted and removed on drop.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    _owner: File,
}

impl Scratch {
    /// Makes one, on memory if the machine has `/dev/shm`, and sweeps those without an owner.
    pub(super) fn create() -> io::Result<Self> {
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        // Held to the end: no other process sees the new directory before it is owned.
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(base.join(LOCK))?;
        lock.lock()?;
        sweep(&base)?;
        let path = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&base)?.keep();
        for mount in MOUNTS {
            fs::create_dir(path.join(mount))?;
        }
        let owner = File::create(path.join(OWNER))?;
        owner.lock()?;
        Ok(Self { path, _owner: owner })
    }

    /// Where the image of the disk goes.
    pub(super) fn image(&self) -> PathBuf {
        self.path.join("image")
    }

    /// Where the file system under test is mounted.
    pub(super) fn mounted(&self) -> PathBuf {
        self.path.join(MOUNTS[1])
    }

    /// Where an overlay on it is mounted.
    pub(super) fn overlay(&self) -> PathBuf {
        self.path.join(MOUNTS[0])
    }

    /// Where a FUSE disk is mounted.
    pub(super) fn fuse(&self) -> PathBuf {
        self.path.join(MOUNTS[2])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        match File::open(entry.path().join(OWNER)).map(|owner| owner.try_lock()) {
            // Alive.
            Ok(Err(TryLockError::WouldBlock)) => {}
            _ => remove(&entry.path()),
        }
    }
    Ok(())
}

/// As far as it goes: what cannot be removed now is swept by the next one. Loop devices go by
/// themselves when nothing is mounted on them.
fn remove(path: &Path) {
    for mount in MOUNTS {
        mount::detach(&path.join(mount));
    }
    let _ = fs::remove_dir_all(path);
}
