//! Disks that fill up, that have no room for another name, or that cannot be written: a small tmpfs.

#![allow(clippy::disallowed_methods, reason = "files of a test kit need not survive a crash")]

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs, unmounted when dropped. Mounting one takes root.
///
/// ```no_run
/// use piton_testkit::SmallDisk;
///
/// let Some(disk) = SmallDisk::mount("size=1536k") else { return };
/// // Fill it, and see what is said.
/// disk.remount("size=64m");
/// ```
#[derive(Debug)]
pub struct SmallDisk {
    mounted: Mounted,
    /// Its folder, if that is its own; removed after the disk was unmounted.
    _own: Option<TempDir>,
}

impl SmallDisk {
    /// Mounts one in a folder of its own. `options` are those of mount(8) for tmpfs: `size=1536k`,
    /// `nr_inodes=4`, `ro`. `None`, and [`skip`](crate::skip) has said so, where nobody may mount one.
    ///
    /// # Panics
    /// If there is no place for temporary files.
    pub fn mount(options: &str) -> Option<Self> {
        let own = tempfile::tempdir().expect("a temporary folder");
        let mounted = Mounted::new(own.path(), options)?;
        Some(Self { mounted, _own: Some(own) })
    }

    /// As [`SmallDisk::mount`] at `folder`, which is made where there is none, and stays.
    ///
    /// # Panics
    /// If the folder cannot be made.
    #[allow(clippy::disallowed_methods, reason = "the folder of a test need not survive a crash")]
    pub fn mount_at(folder: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("the folder of a small disk");
        Some(Self { mounted: Mounted::new(folder, options)?, _own: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.mounted.0
    }

    /// Gives it these options from now on; what is on it stays.
    ///
    /// # Panics
    /// If that cannot be.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(mount(&["-o", &options], self.path()), "{options}");
    }
}

#[derive(Debug)]
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path, options: &str) -> Option<Self> {
        if mount(&["-t", "tmpfs", "-o", options, "tmpfs"], at) {
            return Some(Self(at.to_owned()));
        }
        crate::skip("a small disk is a tmpfs, and mounting one needs root");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Files may be open there still.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// By mount(8), which knows what is a flag and what is an option of tmpfs.
fn mount(options: &[&str], at: &Path) -> bool {
    Command::new("mount").args(options).arg(at).output().is_ok_and(|output| output.status.success())
}
