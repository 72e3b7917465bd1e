//! Power cuts by the file system's shutdown ioctl.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::filesystem::FsKind;
use super::loop_device::LoopDevice;
use super::mount;
use super::scratch::Scratch;
use super::unavailable::Unavailable;

/// `EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN` are one number.
const SHUTDOWN: u32 = 0x8004_587D;
/// Stop at once; not even the journal in memory is written.
const NO_LOG_FLUSH: u32 = 2;

/// A file system of its own that can lose its power. Cleared away on drop.
#[derive(Debug)]
pub struct Volume {
    kind: FsKind,
    // Fields are dropped in this order: the mount, inside `scratch`, has to go before the device
    // can.
    scratch: Scratch,
    device: LoopDevice,
}

impl Volume {
    /// Makes and mounts an empty one of `size` bytes, or the least its kind allows. Wants root,
    /// loop devices and mkfs.
    ///
    /// Btrfs knows no shutdown and is always unavailable.
    pub fn create(kind: FsKind, size: u64) -> Result<Self, Unavailable> {
        if kind == FsKind::Btrfs {
            return Err(Unavailable::new("btrfs has no shutdown ioctl"));
        }
        Unavailable::unless_root()?;
        Self::mounted(kind, size).map_err(|error| Unavailable::new(error.to_string()))
    }

    fn mounted(kind: FsKind, size: u64) -> io::Result<Self> {
        let scratch = Scratch::create()?;
        let image = kind.make(&scratch.image(), size)?;
        let device = LoopDevice::attach(&image)?;
        kind.mount(device.path(), &scratch.mounted())?;
        Ok(Self { kind, scratch, device })
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.scratch.mounted()
    }

    /// Cuts the power: what is not durable now never will be, and every later call on the volume
    /// fails.
    ///
    /// Read the writer's counter of acknowledged work *before*: a sync in flight may still answer
    /// that all is well.
    pub fn cut_power(&self) -> io::Result<()> {
        mount::ioctl(&File::open(self.path())?, SHUTDOWN, &NO_LOG_FLUSH).map(drop)
    }

    /// Mounts it again, as after a reboot. All writers must have ended: waits five seconds for
    /// them, then it is an error.
    pub fn remount(&mut self) -> io::Result<()> {
        self.kind.unmount(self.device.path(), &self.path())?;
        self.device.forget_cache()?;
        if !self.device.is_free()? {
            // Another process has it mounted in a namespace of its own, where it stays shut down. What
            // reached the disk is mounted from a copy.
            let (image, copy) = (self.scratch.image(), self.scratch.image().with_extension("copy"));
            fs::copy(&image, &copy)?;
            fs::rename(&copy, &image)?;
            self.device = LoopDevice::attach(&File::options().read(true).write(true).open(image)?)?;
        }
        self.kind.mount(self.device.path(), &self.path())
    }

    /// Both, for writers that have ended or hold nothing open.
    pub fn cut_power_and_remount(&mut self) -> io::Result<()> {
        self.cut_power()?;
        self.remount()
    }
}
