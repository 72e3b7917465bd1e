//! The whole stack: a disk in memory, FUSE, a loop device, and a file system that can be mounted on
//! it.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

use fuser::{BackgroundSession, Config, MountOption};

use super::disk::{Disk, NAME};
use super::image::Image;
use crate::power::filesystem::FsKind;
use crate::power::loop_device::LoopDevice;
use crate::power::mount;
use crate::power::scratch::Scratch;

/// A disk with an empty file system, mountable as often as one likes.
pub(super) struct Drive {
    kind: FsKind,
    pub(super) disk: Disk,
    /// Taken out on drop only, to take the stack down from the top.
    device: Option<LoopDevice>,
    session: Option<BackgroundSession>,
    scratch: Scratch,
}

impl Drive {
    pub(super) fn create(kind: FsKind, size: u64) -> io::Result<Self> {
        let scratch = Scratch::create()?;
        let image = Image::load(&kind.make(&scratch.image(), size)?)?;
        std::fs::remove_file(scratch.image())?;
        let disk = Disk::new(image);
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("piton-power".to_owned())];
        let session = fuser::spawn_mount(disk.clone(), scratch.fuse(), &config)?;
        let mut drive = Self { kind, disk, device: None, session: Some(session), scratch };
        let file =
            OpenOptions::new().read(true).write(true).open(drive.scratch.fuse().join(NAME))?;
        drive.device = Some(LoopDevice::attach(&file)?);
        Ok(drive)
    }

    /// Where the file system is seen while it is mounted.
    pub(super) fn path(&self) -> PathBuf {
        self.scratch.mounted()
    }

    pub(super) fn mount(&self) -> io::Result<()> {
        self.kind.mount(self.device()?.path(), &self.path())
    }

    pub(super) fn unmount(&self) -> io::Result<()> {
        let device = self.device()?;
        self.kind.unmount(device.path(), &self.path())?;
        device.forget_cache()
    }

    /// Exchanges the content of the disk. Nothing may be mounted.
    pub(super) fn put(&self, image: Image) -> io::Result<()> {
        self.disk.put(image);
        self.device()?.forget_cache()
    }

    fn device(&self) -> io::Result<&LoopDevice> {
        self.device.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        mount::detach(&self.path());
        self.device = None;
        // The session would fail on a mount that is still busy.
        mount::detach(&self.scratch.fuse());
        self.session = None;
    }
}
