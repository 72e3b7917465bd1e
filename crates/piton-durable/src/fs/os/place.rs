//! Where the paths of a file system begin.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::retry_on_intr;

use super::OsFs;

/// Where paths begin: at the root of everything, or in one directory that is held open.
pub(super) trait Place: Clone + Send + Sync + 'static {
    /// The directory `path`.
    fn directory<'p>(&self, path: &'p Path) -> io::Result<At<'p>>;
    /// The name `path` in its directory. Whether a symbolic link there is followed is up to the call that
    /// gets it.
    fn name<'p>(&self, path: &'p Path) -> io::Result<At<'p>>;
    /// Opens what `path` leads to, over a symbolic link in its last place too.
    fn follow(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd>;
}

/// A path as the `…at` calls take it.
pub(super) struct At<'p> {
    pub(super) dir: Dir,
    pub(super) path: &'p Path,
}

/// The directory in which an [`At`] begins.
pub(super) enum Dir {
    /// The current one, for relative paths.
    Current,
    /// This one.
    Held(Arc<OwnedFd>),
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Current => CWD,
            Self::Held(fd) => fd.as_fd(),
        }
    }
}

impl Place for OsFs {
    fn directory<'p>(&self, path: &'p Path) -> io::Result<At<'p>> {
        self.name(path)
    }

    fn name<'p>(&self, path: &'p Path) -> io::Result<At<'p>> {
        Ok(At { dir: Dir::Current, path })
    }

    fn follow(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
    }
}
