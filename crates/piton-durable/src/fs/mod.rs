//! The file operations that piton needs, as a trait.
//!
//! Each method is one operation of the operating system and so one point at which a crash or an
//! error can happen. [`OsFs`] is the real thing; the test kit has a simulated disk that keeps live
//! and durable bytes apart and fails or crashes at the k-th operation.

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;

mod names;
mod os;

pub use names::BadName;
pub use os::OsFs;

/// A file system: what can be done to paths.
pub trait Fs: Send + Sync {
    /// Opens the file at `path`.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>>;
    /// What is at `path` (following symbolic links), or `None` if nothing is.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;
    /// What is at `path` itself, or `None` if nothing is: a symbolic link is not followed. Where there
    /// are no such links, as here, that is [`Fs::stat`].
    fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.stat(path)
    }
    /// What the symbolic link at `path` says, or `None` if there is none.
    fn read_link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let _ = path;
        Ok(None)
    }
    /// Renames `from` to `to`, atomically. Durable only after [`Fs::sync_dir`].
    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()>;
    /// Removes the file at `path`. Durable only after [`Fs::sync_dir`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes the folder `dir`, which is empty. `Unsupported`, and it stays, where there are no such folders.
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let _ = dir;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Makes every creation, rename and removal in `dir` durable. Also an error if the file system
    /// failed before this call and does not report it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The names in `dir`.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    /// Creates `dir`, whose parent exists; fails with `AlreadyExists` where that is taken. Durable only
    /// after [`Fs::sync_dir`] of its parent: [`crate::dirs::create`] does it all.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// The resolved form of `path`: absolute, with symbolic links followed.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;
    /// The same files, but none outside of `dir`, which must exist and be durable in its parent. The paths that
    /// it takes begin with `dir` in its resolved form. One that leads out over a symbolic link fails with
    /// `CrossesDevices` and [`LeadsOut`], even if another program puts the link there meanwhile. `None`: there
    /// are no links here.
    fn beneath(&self, dir: &Path) -> io::Result<Option<Arc<dyn Fs>>> {
        let _ = dir;
        Ok(None)
    }
    /// The user that this process acts for: the owner of what it creates.
    fn user(&self) -> u32;
    /// The permission bits that a new file gets in `dir` by default: what the
    /// umask, or a default access list of `dir`, leaves of 0666.
    fn new_file_mode(&self, dir: &Path) -> io::Result<u32>;
    /// 64 random bits, for journal salts and temporary names.
    fn random(&self) -> io::Result<u64>;
    /// A new file in `dir` that has no name, to read and write; `mode` is its permission bits before
    /// the umask (`O_TMPFILE`). It disappears with its last handle, so with the process and with
    /// the power, unless [`FsFile::link_to`] names it. `Unsupported` where there are no such files, or
    /// where it is not known what makes one durable; this is the default.
    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        let _ = (dir, mode);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// An open file. All positions are bytes from the start; there is no cursor.
pub trait FsFile: Send + Sync {
    /// Reads at `offset`; may be short; 0 means the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; may be short.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize>;
    /// Has the bytes of `range` in common with `source` from now on (a reflink): none is moved, both files take up the
    /// space once, and each keeps its own when the other changes. All of them or none. `false`: that cannot be
    /// done with these files or at this place; most file systems want whole blocks, or the end of `source`.
    fn share_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<bool> {
        let _ = (source, range);
        Ok(false)
    }
    /// Copies the bytes of `range` from the same place of `source`, by the system, with no buffer of this process
    /// (`copy_file_range`). May be short; 0 means that `source` ends there. `None`: that cannot be done with these
    /// files.
    fn copy_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<Option<u64>> {
        let _ = (source, range);
        Ok(None)
    }
    /// The system's name of this open file, if it has one: another file of the system can share or copy from it.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// `fdatasync`: the bytes, and the size and extents needed to read them back. After an error
    /// nothing written since the last success may be trusted, and no second call makes it so (G7).
    fn sync_data(&self) -> io::Result<()>;
    /// `fsync`: bytes and all metadata (mode, times, attributes). For a file without a name see also
    /// [`FsFile::syncs_alone`].
    fn sync_all(&self) -> io::Result<()>;
    /// For a file without a name: whether [`FsFile::sync_all`] is enough before it gets one, so that the file
    /// survives once the name is durable ([`Fs::sync_dir`]). If not, [`FsFile::sync_fs`] has to come first.
    fn syncs_alone(&self) -> bool {
        true
    }
    /// `syncfs`: all bytes, metadata and names of the file system that holds this file. An error means
    /// that some write to that file system failed since *this handle was opened*, so the handle must
    /// be older than the bytes in question; it is as final as one of [`FsFile::sync_data`] (G7). Success
    /// proves something only if the result is [`FsSync::Proven`]. `dir` is a folder of that file system in
    /// which files can be created: this checks there that it still accepts changes.
    fn sync_fs(&self, dir: &Path) -> io::Result<FsSync> {
        let _ = dir;
        Ok(FsSync::NotTold)
    }
    /// Gives a file of [`Fs::create_unnamed`] the name `path`, in the same file system; fails with
    /// `AlreadyExists` where that is taken. Durable only after [`Fs::sync_dir`] or
    /// [`FsFile::sync_fs`]. `Unsupported` where a file cannot be named later.
    fn link_to(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Whether [`FsFile::reserve`] writes what it reserves, as tmpfs does: then it costs as much as the write
    /// that it prepares.
    fn reserving_writes(&self) -> io::Result<bool> {
        Ok(false)
    }
    /// Reserves space for these bytes without changing the size. `Ok(false)`: not supported here.
    fn reserve(&self, range: Range<u64>) -> io::Result<bool>;
    /// Gives back the space of these bytes, of which none was written, without changing the size.
    fn release(&self, range: Range<u64>) -> io::Result<()> {
        let _ = range;
        Ok(())
    }
    /// The space on the file system that holds this file. `None`: unknown.
    fn space(&self) -> io::Result<Option<Space>> {
        Ok(None)
    }
    /// The longest that this file may become, in bytes, if there is a known limit: of the process
    /// (`ulimit -f`) or of the file system.
    fn longest(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
    /// Asks the system to start writing these bytes back. Only a hint.
    fn start_writeback(&self, offset: u64, len: u64);
    /// Size, identity, mode and times.
    fn stat(&self) -> io::Result<Stat>;
    /// The first run of bytes at or after `from` that is not a hole; `None`: nothing but a hole
    /// follows. Without support for holes, as here, all of the file is one run.
    fn data_run(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let len = self.stat()?.len;
        Ok((from < len).then_some(from..len))
    }
    /// Takes the exclusive lock of this file if nobody holds it (`flock`). It dies with the process. If the
    /// file system has no locks, or locks that have no effect: whether no other process of this machine, and
    /// no other handle in this process, has the file open for writing, as far as that can be seen.
    fn try_lock(&self) -> io::Result<bool>;
    /// Whether [`FsFile::try_lock`] took a real lock; if not, [`Lack::Locks`] applies.
    fn is_locked(&self) -> bool {
        true
    }
    /// The process that holds the lock, if the system reports it (Linux: `/proc/locks`).
    fn lock_holder(&self) -> Option<u32>;
    /// Sets the permission bits.
    fn set_mode(&self, mode: u32) -> io::Result<()>;
    /// Changes owner and group; usually only root may.
    fn set_owner(&self, owner: Owner) -> io::Result<()>;
    /// Sets the time of last modification.
    fn set_modified(&self, time: SystemTime) -> io::Result<()>;
    /// Sets an extended attribute. `Ok(false)`: not supported here.
    fn set_attribute(&self, name: &str, value: &[u8]) -> io::Result<bool>;
    /// Reads an extended attribute of at most 64 KiB. `None`: not set, or not supported here.
    fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
}

/// What a file system lacks, and which promise that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Lack {
    /// Locks that have an effect.
    #[error(
        "its file system has no locks: piton detects other downloads to the same file only on this machine, so do \
         not write there from another machine"
    )]
    Locks,
    /// Settable times of files.
    #[error(
        "its file system does not allow file times to be set: a later run may not recognise the finished file"
    )]
    Times,
}

impl Lack {
    /// The word for it, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Locks => "locks",
            Self::Times => "times",
        }
    }
}

/// Why a path is not used by an [`Fs::beneath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it leads out of {}, to {}", folder.display(), to.display())]
pub struct LeadsOut {
    /// The folder that it leads out of.
    pub folder: PathBuf,
    /// Where it leads.
    pub to: PathBuf,
}

/// The space on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// Free for this process.
    pub free: u64,
    /// What the file takes up, reservations included.
    pub held: u64,
}

/// What the sync of a whole file system proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsSync {
    /// Everything that was written before is durable.
    Proven,
    /// The system has written what it could, and does not report what failed: each file has to be
    /// synced by itself, so that an error is that file's, and each folder.
    NotTold,
}

/// Whether an error is about the disk or the file system itself, and not about the operation: then nothing
/// else that is done there can be trusted.
pub(crate) fn is_of_the_disk(error: &io::Error) -> bool {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(errno) => matches!(
            errno,
            Errno::IO
                | Errno::ROFS
                | Errno::NXIO
                | Errno::NODEV
                | Errno::STALE
                | Errno::NOTCONN
                | Errno::SHUTDOWN
                | Errno::TIMEDOUT
                | Errno::REMOTEIO
                // What ext4, XFS and btrfs call a damaged file system, and a wrong checksum in it.
                | Errno::UCLEAN
                | Errno::BADMSG
        ),
        // Not from an operating system. A file system that reports anything more is taken seriously.
        None => !matches!(
            error.kind(),
            io::ErrorKind::Unsupported
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::CrossesDevices
        ),
    }
}

/// How [`Fs::open`] opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    ReadWrite,
    /// To read and write; created with this mode where there is none. Never truncated.
    Create {
        /// Permission bits of a new file, before the umask.
        mode: u32,
    },
    /// A new file, to read and write; fails with `AlreadyExists` where there is one.
    CreateNew {
        /// Permission bits, before the umask.
        mode: u32,
    },
}

/// What [`Fs::rename`] does when the new name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Replace it.
    Replace,
    /// Fail with `AlreadyExists` (`RENAME_NOREPLACE`, or link and unlink where that is missing).
    Keep,
}

/// Which file this is, whatever its name.
///
/// Device and inode are enough as long as the file is held open. Afterwards they are not: many file
/// systems (ext4 immediately) give the inode number of a removed file to the next new one. The birth
/// distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// When the inode was created, in nanoseconds since 1970. `None`: unknown.
    pub birth: Option<u64>,
}

/// Owner and group of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User number.
    pub user: u32,
    /// Group number.
    pub group: u32,
}

/// Size, identity, owner, mode, names and times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Which file.
    pub id: FileId,
    /// Bytes.
    pub len: u64,
    /// Whether it is a regular file.
    pub is_file: bool,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Permission bits.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
    /// Who owns it.
    pub owner: Owner,
    /// Last modification of its bytes.
    pub modified: SystemTime,
    /// Last change of its bytes or metadata, names included (`ctime`). No program can set it back.
    pub changed: SystemTime,
}

/// Writes all of `buf` at `offset`, over as many calls as it takes.
///
/// # Errors
/// As [`FsFile::write_at`]; `WriteZero` if the file takes no more bytes. Some of them may have been
/// written.
pub fn write_all_at(file: &dyn FsFile, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.write_at(buf, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                buf = buf.get(written..).unwrap_or_default();
                offset = offset.saturating_add(written as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads at `offset` until `buf` is full or the file ends; returns how many bytes that were.
///
/// # Errors
/// As [`FsFile::read_at`].
pub fn read_full_at(file: &dyn FsFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The directory that holds `path`; `.` for a bare name.
pub fn parent_dir(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir.as_os_str() != std::ffi::OsStr::new("") => dir,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// `path` with this behind its name, as it is: also if the name gets too long for the file system.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        assert_eq!(parent_dir(Path::new("file.iso")), Path::new("."));
        assert_eq!(parent_dir(Path::new("/file.iso")), Path::new("/"));
        assert_eq!(parent_dir(Path::new("a/b")), Path::new("a"));
    }
}
