//! What is known about the file systems of Linux: `docs/file-systems.md` has the table.

use std::os::fd::AsFd;
use std::sync::OnceLock;

use rustix::fs::{FsWord, StatVfsMountFlags, fstatfs, fstatvfs};
use rustix::io::{Errno, retry_on_intr};

/// A file system, by how its syncs behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FsKind {
    /// ext4, and others with its number; XFS.
    Journalled,
    /// btrfs leaves files without a name out of its log: named after an fsync, and the folder synced,
    /// such a file would be empty after a power cut. Its `syncfs` commits them.
    Btrfs,
    /// Nothing survives a power cut, and no sync fails.
    Tmpfs,
    /// On top of another file system, which cannot be determined. Its `fsync` is that one's. Its
    /// `syncfs` makes that one write everything, but does not report writes that failed.
    Overlay,
    /// Not known.
    Other,
}

impl FsKind {
    /// The file system of an open file.
    pub(super) fn of(file: impl AsFd) -> Result<Self, Errno> {
        const EXT4: FsWord = 0xef53;
        const XFS: FsWord = 0x5846_5342;
        const BTRFS: FsWord = 0x9123_683e;
        const TMPFS: FsWord = 0x0102_1994;
        const OVERLAYFS: FsWord = 0x794c_7630;
        Ok(match number(file)? {
            EXT4 | XFS => Self::Journalled,
            BTRFS => Self::Btrfs,
            TMPFS => Self::Tmpfs,
            OVERLAYFS => Self::Overlay,
            _ => Self::Other,
        })
    }

    /// The longest file that its file system can hold, if that is shorter than some downloads.
    pub(super) fn longest(file: impl AsFd) -> Result<Option<u64>, Errno> {
        const FAT: FsWord = 0x4d44;
        Ok((number(file)? == FAT).then_some(u32::MAX.into()))
    }

    /// Whether it is known how a file without a name becomes durable.
    pub(super) fn keeps_unnamed(self) -> bool {
        self != Self::Other
    }

    /// Whether the `fsync` of a file without a name is enough before it gets one.
    pub(super) fn syncs_unnamed_alone(self) -> bool {
        matches!(self, Self::Journalled | Self::Tmpfs)
    }

    /// Whether its `syncfs` reports every write that failed: of bytes since Linux 5.8, of the rest since
    /// 5.17.
    pub(super) fn reports_failed_writes(self) -> bool {
        static REPORTS: OnceLock<bool> = OnceLock::new();
        let system = || {
            let name = rustix::system::uname();
            name.release().to_str().is_ok_and(|release| at_least(release, (5, 17)))
        };
        matches!(self, Self::Journalled | Self::Btrfs) && *REPORTS.get_or_init(system)
    }
}

/// The number of a file system; 0 if unknown.
fn number(file: impl AsFd) -> Result<FsWord, Errno> {
    match retry_on_intr(|| fstatfs(&file)) {
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => Ok(0),
        stat => Ok(stat?.f_type),
    }
}

/// Whether a file system is read-only, perhaps because of an error: then `syncfs` does nothing and
/// succeeds.
pub(super) fn is_read_only(file: impl AsFd) -> Result<bool, Errno> {
    Ok(retry_on_intr(|| fstatvfs(&file))?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Whether a release such as "6.18.2-generic" is this version or a later one.
fn at_least(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    matches!((number(), number()), (Some(major), Some(minor)) if (major, minor) >= version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert!(at_least("5.17.0", (5, 17)) && at_least("5.19.0-27-amd64", (5, 17)));
        assert!(at_least("6.1", (5, 17)) && at_least("10.0-rc1", (5, 17)));
        assert!(!at_least("5.16.19", (5, 17)) && !at_least("4.18.0-513.el8", (5, 17)));
        assert!(!at_least("strange", (5, 17)) && !at_least("", (5, 17)));
    }
}
