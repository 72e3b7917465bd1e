//! Loop devices that go away by themselves.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::mount::ioctl;

const LOOP_CTL_GET_FREE: u32 = 0x4C82;
const LOOP_CONFIGURE: u32 = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const BLKFLSBUF: u32 = 0x1261;

/// How long a namespace may take to let go of a file system before another device is taken.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(2);

/// A block device on a file. The kernel takes it down when this is dropped, or the process dies,
/// and nothing is mounted on it any more.
#[derive(Debug)]
pub(super) struct LoopDevice {
    device: File,
    path: PathBuf,
}

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo {
    /// Device, inode, rdevice, offset, size limit.
    place: [u64; 5],
    number: u32,
    encryption: [u32; 2],
    flags: u32,
    names: [[u8; 64]; 2],
    key: [u8; 32],
    init: [u64; 2],
}

impl LoopDevice {
    /// Puts one on all of `backing`.
    pub(super) fn attach(backing: &File) -> io::Result<Self> {
        let control = open(Path::new("/dev/loop-control"))?;
        let config = LoopConfig {
            fd: backing.as_raw_fd().unsigned_abs(),
            block_size: 0,
            info: LoopInfo {
                place: [0; 5],
                number: 0,
                encryption: [0; 2],
                flags: LO_FLAGS_AUTOCLEAR,
                names: [[0; 64]; 2],
                key: [0; 32],
                init: [0; 2],
            },
            reserved: [0; 8],
        };
        loop {
            let path =
                PathBuf::from(format!("/dev/loop{}", ioctl(&control, LOOP_CTL_GET_FREE, &0)?));
            let device = open(&path)?;
            match ioctl(&device, LOOP_CONFIGURE, &config) {
                Ok(_) => return Ok(Self { device, path }),
                // Somebody else took it in between.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether no file system is mounted on it any more, anywhere: waits a while for that. A mount namespace
    /// that another process made while one was mounted here keeps that one alive, unseen, after it was
    /// unmounted: a mount of the device would then show that one's state and not what the device holds.
    pub(super) fn is_free(&self) -> io::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The kernel gives a block device to one exclusive owner, and a mount is one.
            match OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(&self.path) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() != io::ErrorKind::ResourceBusy => return Err(error),
                Err(_) if Instant::now() >= deadline => return Ok(false),
                Err(_) => sleep(PAUSE),
            }
        }
    }

    /// Makes the kernel forget what it has cached of the device.
    pub(super) fn forget_cache(&self) -> io::Result<()> {
        ioctl(&self.device, BLKFLSBUF, &0).map(drop)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
