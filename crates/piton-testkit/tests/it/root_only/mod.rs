//! Power cuts: wants root, loop devices, FUSE, and the tools of ext4, xfs and btrfs.

mod blocklog;
mod leftovers;
mod shutdown;

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Unwraps what a driver's `create` says, or prints why there is nothing to test and returns.
macro_rules! or_skip {
    ($created:expr) => {
        match $created {
            Ok(created) => created,
            Err(reason) => {
                eprintln!("SKIPPED: {reason}");
                return;
            }
        }
    };
}
use or_skip;

/// Puts `content` under `name`, safely if the directory is synced at the end.
fn replace(dir: &Path, name: &str, content: &[u8], sync_directory: bool) -> io::Result<()> {
    let temporary = dir.join(name).with_extension("tmp");
    fs::write(&temporary, content)?;
    File::open(&temporary)?.sync_data()?;
    fs::rename(&temporary, dir.join(name))?;
    if sync_directory { File::open(dir)?.sync_all() } else { Ok(()) }
}
