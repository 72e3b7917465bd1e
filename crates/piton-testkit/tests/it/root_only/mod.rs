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
                piton_testkit::skip(reason);
                return;
            }
        }
    };
}
use or_skip;

/// What the writer leaves out; with `Nothing` it does all that safety takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Omit {
    Nothing,
    DataSync,
    DirectorySync,
}

/// Puts `content` under `name`.
fn replace(dir: &Path, name: &str, content: &[u8], omit: Omit) -> io::Result<()> {
    let temporary = dir.join(name).with_extension("tmp");
    fs::write(&temporary, content)?;
    if omit != Omit::DataSync {
        File::open(&temporary)?.sync_data()?;
    }
    fs::rename(&temporary, dir.join(name))?;
    if omit == Omit::DirectorySync { Ok(()) } else { File::open(dir)?.sync_all() }
}
