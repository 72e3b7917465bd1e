//! The whole stack: a disk in memory, FUSE, a loop device, a file system that can be mounted on it, and
//! an overlay on that.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

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
    layer: Layer,
}

/// What programs write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The file system on the disk.
    Plain,
    /// An overlayfs whose upper layer lies on that file system, as in containers.
    Overlay,
}

impl Drive {
    pub(super) fn mounted(kind: FsKind, layer: Layer, size: u64) -> io::Result<Self> {
        let drive = Self::create(kind, layer, size)?;
        drive.mount()?;
        Ok(drive)
    }

    fn create(kind: FsKind, layer: Layer, size: u64) -> io::Result<Self> {
        let scratch = Scratch::create()?;
        let image = Image::load(&kind.make(&scratch.image(), size)?)?;
        std::fs::remove_file(scratch.image())?;
        Self::on(kind, layer, scratch, image)
    }

    /// A disk that holds this, with nothing mounted on it.
    fn on(kind: FsKind, layer: Layer, scratch: Scratch, image: Image) -> io::Result<Self> {
        let disk = Disk::new(image);
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("piton-power".to_owned())];
        let session = fuser::spawn_mount(disk.clone(), scratch.fuse(), &config)?;
        let mut drive = Self { kind, disk, device: None, session: Some(session), scratch, layer };
        let file =
            OpenOptions::new().read(true).write(true).open(drive.scratch.fuse().join(NAME))?;
        drive.device = Some(LoopDevice::attach(&file)?);
        Ok(drive)
    }

    /// Where the file system is seen while it is mounted.
    pub(super) fn path(&self) -> PathBuf {
        match self.layer {
            Layer::Plain => self.scratch.mounted(),
            Layer::Overlay => self.scratch.overlay(),
        }
    }

    pub(super) fn mount(&self) -> io::Result<()> {
        self.kind.mount(self.device()?.path(), &self.scratch.mounted())?;
        match self.layer {
            Layer::Plain => Ok(()),
            Layer::Overlay => mount_overlay(&self.scratch.mounted(), &self.scratch.overlay()),
        }
    }

    pub(super) fn unmount(&self) -> io::Result<()> {
        if self.layer == Layer::Overlay {
            mount::unmount(&self.scratch.overlay())?;
        }
        let device = self.device()?;
        self.kind.unmount(device.path(), &self.scratch.mounted())?;
        device.forget_cache()
    }

    /// Exchanges the content of the disk. Nothing may be mounted by this process. Where another one still
    /// has it mounted, in a namespace of its own, that keeps the old disk, and this becomes a new one.
    pub(super) fn put(&mut self, image: Image) -> io::Result<()> {
        if self.device()?.is_free()? {
            self.disk.put(image);
            return self.device()?.forget_cache();
        }
        *self = Self::on(self.kind, self.layer, Scratch::create()?, image)?;
        Ok(())
    }

    /// Mounts what the disk holds, as after a reboot. It must have been unmounted.
    pub(super) fn mount_again(&mut self) -> io::Result<()> {
        if !self.device()?.is_free()? {
            let image = self.disk.image();
            self.put(image)?;
        }
        self.mount()
    }

    fn device(&self) -> io::Result<&LoopDevice> {
        self.device.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        mount::detach(&self.scratch.overlay());
        mount::detach(&self.scratch.mounted());
        self.device = None;
        // The session would fail on a mount that is still busy.
        mount::detach(&self.scratch.fuse());
        self.session = None;
    }
}

/// Upper layer, lower layer and workplace are folders of one file system, made where they are missing.
fn mount_overlay(on: &Path, at: &Path) -> io::Result<()> {
    let mut options = Vec::new();
    for (option, folder) in [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")] {
        let folder = on.join(folder);
        std::fs::create_dir_all(&folder)?;
        options.push(format!("{option}={}", folder.display()));
    }
    mount::mount(Path::new("overlay"), at, "overlay", &options.join(","))
        .map_err(|error| io::Error::new(error.kind(), format!("mount overlay: {error}")))
}
