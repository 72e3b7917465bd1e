//! A disk that fails under a file system that is in use.

use std::io;
use std::path::PathBuf;

use super::disk::Failing;
use super::drive::{Drive, Layer};
use crate::power::filesystem::FsKind;
use crate::power::unavailable::Unavailable;

/// A mounted file system on a disk that can be made to fail. Cleared away on drop.
///
/// ```no_run
/// use piton_testkit::power::{Failing, FailingDisk, FsKind, Layer};
///
/// let mut disk = match FailingDisk::create(FsKind::Ext4, Layer::Overlay, 64 << 20) {
///     Ok(disk) => disk,
///     Err(reason) => return Ok(piton_testkit::skip(reason)),
/// };
/// disk.fail(Failing::Holding(b"under these bytes is a bad place".to_vec()));
/// // Write, and note what is said to be done. Then see what is there:
/// disk.remount()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FailingDisk {
    drive: Drive,
}

impl FailingDisk {
    /// Makes and mounts an empty one of `size` bytes, or the least its kind allows. Wants root, FUSE,
    /// loop devices and mkfs.
    ///
    /// # Errors
    /// What is missing.
    pub fn create(kind: FsKind, layer: Layer, size: u64) -> Result<Self, Unavailable> {
        Unavailable::unless_root()?;
        let drive = Drive::mounted(kind, layer, size);
        Ok(Self { drive: drive.map_err(|error| Unavailable::new(error.to_string()))? })
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.drive.path()
    }

    /// Fails like this from now on. What the system has not written yet is concerned as well.
    pub fn fail(&self, failing: Failing) {
        self.drive.disk.fail(Some(failing));
    }

    /// The disk works again. The file system goes on as it can.
    pub fn heal(&self) {
        self.drive.disk.fail(None);
    }

    /// Unmounts while it still fails, so that nothing is written belatedly, heals the disk and mounts it
    /// again: what is seen now is what reached it. All writers must end within five seconds.
    ///
    /// # Errors
    /// It is still in use, or can no longer be mounted.
    pub fn remount(&mut self) -> io::Result<()> {
        self.drive.unmount()?;
        // Where somebody else keeps the old mount alive, that goes on with a disk of its own.
        self.heal();
        self.drive.mount_again()
    }
}
