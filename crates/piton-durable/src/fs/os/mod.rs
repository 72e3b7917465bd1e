//! The operating system's files (Linux).

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use self::beneath::Beneath;
use self::file::OsFile;
use self::kind::FsKind;
use self::root::{At, Root, with_name};
use self::stat::stat_at;
use super::names::{bad_name, explained};
use super::{Existing, Fs, FsFile, Open, Stat, is_of_the_disk, parent_dir};

mod beneath;
mod file;
mod holder;
mod kind;
mod root;
mod stat;
mod writers;

/// The real file system.
///
/// Interrupted calls are repeated, except a sync: a sync that failed means that bytes may be lost,
/// and the next one would succeed without them (G7). Where a file is opened for writing, a
/// symbolic link in the last place of the path is refused (`ELOOP`), so that nobody can aim a
/// write elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs;

impl<P: Root> Fs for P {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let write = OFlags::RDWR;
        let (flags, mode) = match how {
            Open::Read => (OFlags::RDONLY, 0),
            Open::ReadWrite => (write, 0),
            Open::Create { mode } => (write | OFlags::CREATE, mode),
            Open::CreateNew { mode } => (write | OFlags::CREATE | OFlags::EXCL, mode),
        };
        // NONBLOCK keeps the opening of a FIFO from blocking; it has no effect on regular files.
        let flags = flags | OFlags::NONBLOCK;
        let opened = with_name(self, path, |at| open_at(at, flags | OFlags::NOFOLLOW, mode))?;
        let fd = match opened {
            Err(Errno::LOOP) if how == Open::Read => self.follow(path, flags)?,
            // If the folder exists, the name is the reason.
            Err(errno @ Errno::NOENT)
                if flags.contains(OFlags::CREATE)
                    && self.stat(parent_dir(path)).is_ok_and(|dir| dir.is_some()) =>
            {
                return Err(bad_name(errno, path));
            }
            opened => opened.map_err(|errno| explained(errno, path))?,
        };
        Ok(Arc::new(OsFile::new(fd, self.clone())))
    }

    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        let at = self.directory(dir)?;
        match open_unnamed(&at, mode) {
            Ok(fd) if FsKind::of(&fd)?.keeps_unnamed() => {
                Ok(Arc::new(OsFile::new(fd, self.clone())))
            }
            Ok(_) => Err(io::ErrorKind::Unsupported.into()),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOSYS | Errno::INVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            // It would not be used anyway.
            Err(_) if is_of_other_kind(&at) => Err(io::ErrorKind::Unsupported.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match self.lstat(path)? {
            // A link, or something that cannot be opened.
            Some(stat) if !stat.is_file && !stat.is_dir => found(
                self.follow(path, OFlags::PATH)
                    .and_then(|fd| Ok(stat_at(&fd, c"", AtFlags::EMPTY_PATH)?)),
            ),
            stat => Ok(stat),
        }
    }

    fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let stat = |at: &At<'_>| stat_at(&at.dir, at.path, AtFlags::SYMLINK_NOFOLLOW);
        found(
            with_name(self, path, stat)
                .and_then(|stat| stat.map_err(|errno| explained(errno, path))),
        )
    }

    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let read = |at: &At<'_>| rustix::fs::readlinkat(&at.dir, at.path, Vec::new());
        match with_name(self, path, read)? {
            Ok(to) => Ok(Some(PathBuf::from(OsStr::from_bytes(to.to_bytes())))),
            // Something else, or nothing.
            Err(Errno::INVAL | Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        let rename = |from_at: &At<'_>, to_at: &At<'_>| match existing {
            Existing::Replace => rename_at(from_at, to_at),
            Existing::Keep => rename_keeping(from_at, to_at),
        };
        let (from_at, to_at) = (self.name(from)?, self.name(to)?);
        let renamed = match rename(&from_at, &to_at) {
            Err(Errno::NOENT) => {
                let of_from = self.forget_removed(from, &from_at);
                match self.forget_removed(to, &to_at) || of_from {
                    true => rename(&self.name(from)?, &self.name(to)?),
                    false => Err(Errno::NOENT),
                }
            }
            result => result,
        };
        match existing {
            Existing::Replace => renamed.map_err(|errno| explained(errno, to)),
            Existing::Keep => Ok(renamed?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Ok(with_name(self, path, remove_at)??)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(with_name(self, dir, remove_dir_at)??)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let at = self.directory(dir)?;
        let fd = open_at(&at, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        const CANNOT: [Errno; 4] = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::BADF];
        match rustix::fs::fsync(&fd) {
            // Some file systems cannot sync a directory: what they can sync is everything.
            Err(errno) if CANNOT.contains(&errno) => match rustix::fs::syncfs(&fd) {
                // Nor that: the system syncs everything, and does not report errors.
                Err(errno) if CANNOT.contains(&errno) => rustix::fs::sync(),
                result => result?,
            },
            result => result?,
        }
        still_takes_changes(&at)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let fd = open_at(&self.directory(dir)?, OFlags::RDONLY | OFlags::DIRECTORY, 0)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(PathBuf::from(name));
            }
        }
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mode = Mode::from_raw_mode(0o777);
        let create = |at: &At<'_>| retry_on_intr(|| rustix::fs::mkdirat(&at.dir, at.path, mode));
        with_name(self, dir, create)?.map_err(|errno| explained(errno, dir))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let real = std::fs::canonicalize(path)?;
        // Whether it may be used at all.
        self.follow(&real, OFlags::PATH)?;
        Ok(real)
    }

    fn beneath(&self, dir: &Path) -> io::Result<Option<Arc<dyn Fs>>> {
        // Also of one that is beneath another already.
        self.directory(dir)?;
        Ok(Some(Arc::new(Beneath::open(dir)?)))
    }

    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn new_file_mode(&self, dir: &Path) -> io::Result<u32> {
        let made = open_unnamed(&self.directory(dir)?, 0o666)
            .and_then(|file| stat_at(&file, c"", AtFlags::EMPTY_PATH))
            .map_err(io::Error::from);
        match made {
            Ok(stat) => Ok(stat.mode & 0o777),
            Err(error) if is_of_the_disk(&error) => Err(error),
            // No such files here, or no room for one.
            Err(_) => Ok(0o666 & !umask().unwrap_or(0o077)),
        }
    }

    fn random(&self) -> io::Result<u64> {
        getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Whether the file system of a directory is of an unknown kind.
fn is_of_other_kind(dir: &At) -> bool {
    open_at(dir, OFlags::PATH | OFlags::DIRECTORY, 0)
        .is_ok_and(|dir| FsKind::of(&dir) == Ok(FsKind::Other))
}

/// `None` where there is nothing.
fn found(result: io::Result<Stat>) -> io::Result<Option<Stat>> {
    match result {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        result => Ok(Some(result?)),
    }
}

fn open_at(at: &At, flags: OFlags, mode: u32) -> Result<OwnedFd, Errno> {
    let (flags, mode) = (flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode));
    retry_on_intr(|| rustix::fs::openat(&at.dir, at.path, flags, mode))
}

fn open_unnamed(dir: &At, mode: u32) -> Result<OwnedFd, Errno> {
    open_at(dir, OFlags::RDWR | OFlags::TMPFILE, mode)
}

fn rename_at(from: &At, to: &At) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::renameat(&from.dir, from.path, &to.dir, to.path))
}

fn remove_at(at: &At) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::unlinkat(&at.dir, at.path, AtFlags::empty()))
}

fn remove_dir_at(at: &At) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::unlinkat(&at.dir, at.path, AtFlags::REMOVEDIR))
}

/// `RENAME_NOREPLACE`; where the file system lacks it, link and unlink; where it has no links
/// either, a look before the rename, which leaves an instant for another program.
fn rename_keeping(from: &At, to: &At) -> Result<(), Errno> {
    let no_replace = || {
        let flags = RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&from.dir, from.path, &to.dir, to.path, flags)
    };
    match retry_on_intr(no_replace) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return result,
    }
    let link = || rustix::fs::linkat(&from.dir, from.path, &to.dir, to.path, AtFlags::empty());
    match retry_on_intr(link) {
        Ok(()) => return remove_at(from),
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    match stat_at(&to.dir, to.path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Err(Errno::EXIST),
        Err(Errno::NOENT) => rename_at(from, to),
        Err(error) => Err(error),
    }
}

/// The umask, read without setting it: setting it and back would race with other threads that create files.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// Whether the file system of `dir` was still working when the sync before this call succeeded.
///
/// A failed write of its journal (perhaps in the background) stops a file system until it is mounted
/// again. But ext4 notices that only with the next change; until then the sync of a folder, or of a
/// file, succeeds, although its data is lost. Creating a file without a name is such a change. Where
/// that is not possible, nothing is learned.
fn still_takes_changes(dir: &At) -> io::Result<()> {
    match open_unnamed(dir, 0o600).map_err(io::Error::from) {
        Err(error) if is_of_the_disk(&error) => Err(error),
        _ => Ok(()),
    }
}
