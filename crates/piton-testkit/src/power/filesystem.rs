//! The file systems that are tried, and how each is made and mounted.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::mount;

/// `BTRFS_IOC_FORGET_DEV`, and the length of the name in its `struct btrfs_ioctl_vol_args`.
const BTRFS_FORGET: u32 = 0x5000_9405;
const BTRFS_NAME: usize = 4088;

/// A file system of this machine's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FsKind {
    /// ext4, at least 16 MiB.
    Ext4,
    /// XFS, at least 300 MiB.
    Xfs,
    /// Btrfs, at least 128 MiB.
    Btrfs,
}

impl FsKind {
    /// The kernel's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// The smallest size, in bytes, that mkfs accepts and the tests need.
    pub fn least_size(self) -> u64 {
        let mebibytes = match self {
            Self::Ext4 => 16,
            Self::Xfs => 300,
            Self::Btrfs => 128,
        };
        mebibytes << 20
    }

    /// Makes a sparse image of `size` bytes, or the least size if that is more, with an empty file
    /// system in it.
    pub(super) fn make(self, image: &Path, size: u64) -> io::Result<File> {
        let file = File::options().read(true).write(true).create_new(true).open(image)?;
        file.set_len(size.max(self.least_size()))?;
        let (program, package, options): (_, _, &[&str]) = match self {
            // Nothing is left to a kernel thread, which would write into the recordings.
            Self::Ext4 => (
                "mkfs.ext4",
                "e2fsprogs",
                &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"],
            ),
            Self::Xfs => ("mkfs.xfs", "xfsprogs", &["-q", "-f", "-K"]),
            Self::Btrfs => {
                ("mkfs.btrfs", "btrfs-progs", &["-q", "-f", "-K", "-m", "single", "-d", "single"])
            }
        };
        let made = Command::new(program)
            .args(options)
            .arg(image)
            // Not everyone who becomes root has these in PATH.
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{program} (Debian package {package}): {error}"),
                )
            })?;
        if made.status.success() {
            Ok(file)
        } else {
            let said = String::from_utf8_lossy(&made.stderr);
            Err(io::Error::other(format!("{program}: {}", said.trim())))
        }
    }

    /// Mounts it; its log is recovered now, if there is need.
    pub(super) fn mount(self, device: &Path, at: &Path) -> io::Result<()> {
        let options = match self {
            // Several copies of one image may be mounted side by side.
            Self::Xfs => "nouuid",
            Self::Ext4 | Self::Btrfs => "",
        };
        mount::mount(device, at, self.name(), options).map_err(|error| {
            io::Error::new(error.kind(), format!("mount {}: {error}", self.name()))
        })
    }

    /// Unmounts it, and lets the kernel forget which image was on the device.
    pub(super) fn unmount(self, device: &Path, at: &Path) -> io::Result<()> {
        mount::unmount(at).map_err(|error| {
            io::Error::new(error.kind(), format!("umount {}: {error}", self.name()))
        })?;
        if self == Self::Btrfs {
            // Btrfs remembers devices and would take an older state of the image for a stale
            // device.
            let mut args = [0_u8; 8 + BTRFS_NAME];
            for (to, from) in args.iter_mut().skip(8).zip(device.as_os_str().as_encoded_bytes()) {
                *to = *from;
            }
            let control = File::open("/dev/btrfs-control")?;
            // Fails if it is forgotten already.
            let _ = mount::ioctl(&control, BTRFS_FORGET, &args);
        }
        Ok(())
    }
}
