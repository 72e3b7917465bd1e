//! Where the paths of a file system begin.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::OsFs;

/// Where paths begin: at the root of everything, or in one directory that is held open.
pub(super) trait Root: Clone + Send + Sync + 'static {
    /// The directory `path`.
    fn directory<'p>(&self, path: &'p Path) -> io::Result<At<'p>>;
    /// The name `path` in its directory. The call that gets it decides whether a symbolic link there is
    /// followed.
    fn name<'p>(&self, path: &'p Path) -> io::Result<At<'p>>;
    /// After a call to the name `path` found nothing: whether its directory was removed. If so, it is closed, and
    /// [`Root::name`] opens the one that may have been created since.
    fn forget_removed(&self, path: &Path, at: &At<'_>) -> bool;
    /// Opens `path`, following a symbolic link in its last place too.
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

/// Does `call` with the name `path`, and once more if its directory turns out to be removed. Checking that
/// only after a failure saves a system call for nearly all of them. The outer error is about the path.
pub(super) fn with_name<P: Root, T>(
    root: &P,
    path: &Path,
    call: impl Fn(&At<'_>) -> Result<T, Errno>,
) -> io::Result<Result<T, Errno>> {
    let at = root.name(path)?;
    match call(&at) {
        Err(Errno::NOENT) if root.forget_removed(path, &at) => Ok(call(&root.name(path)?)),
        result => Ok(result),
    }
}

impl Root for OsFs {
    fn directory<'p>(&self, path: &'p Path) -> io::Result<At<'p>> {
        self.name(path)
    }

    fn name<'p>(&self, path: &'p Path) -> io::Result<At<'p>> {
        Ok(At { dir: Dir::Current, path })
    }

    fn forget_removed(&self, _: &Path, _: &At<'_>) -> bool {
        false
    }

    fn follow(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
    }
}
