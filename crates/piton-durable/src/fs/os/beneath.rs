//! Files in one directory, and nowhere else.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use super::root::{At, Dir, Root};
use crate::fs::LeadsOut;

/// At most this many directories below the root are held open; beyond that all are closed and opened again.
const MOST_HELD: u64 = 128;
/// And at most one for this many files that the process may have open.
const FILES_PER_HELD: u64 = 16;
/// How often a path is resolved again if it changed meanwhile.
const RACES: usize = 16;

/// Files in one directory, and nowhere else, even if other programs move directories or replace them by
/// symbolic links meanwhile (`openat2` with `RESOLVE_BENEATH`; before Linux 5.6, and where a sandbox has no such
/// call, one directory after the other without following links).
///
/// The directory is held open, and so are those below it that were used last. A directory that is moved
/// while it is held is still written to, wherever it is then.
#[derive(Clone)]
pub(super) struct Beneath {
    shared: Arc<HeldFolders>,
}

struct HeldFolders {
    /// Its path, absolute and without symbolic links. All paths passed in begin with it.
    path: PathBuf,
    fd: Arc<OwnedFd>,
    held: Mutex<HashMap<PathBuf, Arc<OwnedFd>>>,
    most_held: u64,
}

impl Beneath {
    /// # Errors
    /// If the directory cannot be found or opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = std::fs::canonicalize(path)?;
        let fd = retry_on_intr(|| rustix::fs::open(&path, DIRECTORY, Mode::empty()))?;
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most_held = (files / FILES_PER_HELD).min(MOST_HELD);
        let shared = HeldFolders { path, fd: Arc::new(fd), held: Mutex::default(), most_held };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// `path` from the root on.
    fn below<'p>(&self, path: &'p Path) -> io::Result<&'p Path> {
        let below = path.strip_prefix(&self.shared.path).ok();
        let is_plain =
            |path: &&Path| path.components().all(|at| matches!(at, Component::Normal(_)));
        below.filter(is_plain).ok_or_else(|| self.leads_out(path))
    }

    /// The directory at `below`, held open. It may have been removed since.
    fn hold(&self, below: &Path) -> io::Result<Arc<OwnedFd>> {
        if below.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.shared.fd));
        }
        let known = self.held().get(below).map(Arc::clone);
        known.map_or_else(|| self.open_and_hold(below), Ok)
    }

    /// The same for uses that succeed in a directory that was removed: it can be synced, and files without a
    /// name can be created in it.
    fn hold_existing(&self, below: &Path) -> io::Result<Arc<OwnedFd>> {
        let fd = self.hold(below)?;
        if is_removed(&fd) { self.open_and_hold(below) } else { Ok(fd) }
    }

    fn open_and_hold(&self, below: &Path) -> io::Result<Arc<OwnedFd>> {
        if below.as_os_str().is_empty() {
            return Ok(Arc::clone(&self.shared.fd));
        }
        let fd = Arc::new(self.open_below(below, DIRECTORY)?);
        let mut held = self.held();
        if held.len() as u64 >= self.shared.most_held {
            held.clear();
        }
        held.insert(below.to_owned(), Arc::clone(&fd));
        Ok(fd)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<OwnedFd>>> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens what `below` leads to.
    fn open_below(&self, below: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let root = &self.shared.fd;
        match resolve(root, below, flags, ResolveFlags::BENEATH) {
            Err(Errno::XDEV) => {}
            Err(Errno::NOSYS | Errno::PERM) => {
                return self.open_real(below, |real| walk(root, real, flags));
            }
            result => return Ok(result?),
        }
        // An absolute link, which may still lead to somewhere below.
        self.open_real(below, |real| resolve(root, real, flags, ResolveFlags::NO_SYMLINKS))
    }

    /// Resolves `below`, and opens that if it is below the root, with `open`, which follows no links.
    fn open_real(
        &self,
        below: &Path,
        open: impl FnOnce(&Path) -> Result<OwnedFd, Errno>,
    ) -> io::Result<OwnedFd> {
        let real = std::fs::canonicalize(self.shared.path.join(below))?;
        match real.strip_prefix(&self.shared.path).map(open) {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(self.leads_out(&real)),
        }
    }

    fn leads_out(&self, to: &Path) -> io::Error {
        let out = LeadsOut { folder: self.shared.path.clone(), to: to.to_owned() };
        io::Error::new(io::ErrorKind::CrossesDevices, out)
    }
}

/// For use in paths only: permission to pass through a directory does not include reading it.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether a directory was removed, so that no file can be created in it.
fn is_removed(dir: &OwnedFd) -> bool {
    !rustix::fs::fstat(dir).is_ok_and(|stat| stat.st_nlink > 0)
}

fn resolve(
    root: impl AsFd,
    below: &Path,
    flags: OFlags,
    how: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let (root, flags) = (root.as_fd(), flags | OFlags::CLOEXEC);
    let how = how | ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = || retry_on_intr(|| rustix::fs::openat2(root, below, flags, Mode::empty(), how));
    let mut opened = open();
    for _ in 0..RACES {
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
        opened = open();
    }
    opened
}

/// What [`resolve`] does without links, one component after the other.
fn walk(root: impl AsFd, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |dir: &dyn AsFd, name: &Path, flags| {
        retry_on_intr(|| rustix::fs::openat(dir.as_fd(), name, flags, Mode::empty()))
    };
    let mut at = open(&root, Path::new("."), DIRECTORY)?;
    let mut names = below.components().map(|name| Path::new(name.as_os_str())).peekable();
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() { DIRECTORY | OFlags::NOFOLLOW } else { flags };
        at = open(&at, name, flags)?;
    }
    // With PATH a link in the last place is opened itself.
    let stat = rustix::fs::statat(&at, c"", AtFlags::EMPTY_PATH)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => Err(Errno::LOOP),
        _ => Ok(at),
    }
}

impl Root for Beneath {
    fn directory<'p>(&self, path: &'p Path) -> io::Result<At<'p>> {
        let dir = self.hold_existing(self.below(path)?)?;
        Ok(At { dir: Dir::Held(dir), path: Path::new(".") })
    }

    fn name<'p>(&self, path: &'p Path) -> io::Result<At<'p>> {
        let below = self.below(path)?;
        match (below.parent(), below.file_name()) {
            (Some(parent), Some(name)) => {
                Ok(At { dir: Dir::Held(self.hold(parent)?), path: Path::new(name) })
            }
            _ => self.directory(path),
        }
    }

    fn forget_removed(&self, path: &Path, at: &At<'_>) -> bool {
        let Dir::Held(fd) = &at.dir else { return false };
        // The root is never opened again: a new folder of its path is another one.
        let Some(below) = self.below(path).ok().and_then(Path::parent) else { return false };
        if below.as_os_str().is_empty() || !is_removed(fd) {
            return false;
        }
        let mut held = self.held();
        // Another thread may have opened the new one already.
        if held.get(below).is_some_and(|known| Arc::ptr_eq(known, fd)) {
            held.remove(below);
        }
        true
    }

    fn follow(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        self.open_below(self.below(path)?, flags)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is opened, or the error.
    fn inode(opened: Result<OwnedFd, Errno>) -> Result<u64, Errno> {
        Ok(rustix::fs::fstat(opened?)?.st_ino)
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "files of a test")]
    fn without_openat2_the_same_is_opened_and_no_link_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(scratch.path().join("a/b")).unwrap();
        std::fs::write(scratch.path().join("a/b/file"), "x").unwrap();
        symlink("a", scratch.path().join("dir")).unwrap();
        symlink("file", scratch.path().join("a/b/link")).unwrap();
        let root = rustix::fs::open(scratch.path(), DIRECTORY, Mode::empty()).unwrap();
        for flags in [OFlags::PATH, OFlags::RDONLY, DIRECTORY] {
            for path in ["a", "a/b", "a/b/file", "a/b/file/x", "a/none", "none/b"] {
                let path = Path::new(path);
                let resolved = resolve(&root, path, flags, ResolveFlags::NO_SYMLINKS);
                assert_eq!(inode(walk(&root, path, flags)), inode(resolved), "{path:?} {flags:?}");
            }
            for path in ["dir", "dir/b", "dir/b/file", "a/b/link"] {
                assert!(walk(&root, Path::new(path), flags).is_err(), "{path} {flags:?}");
            }
        }
    }
}
