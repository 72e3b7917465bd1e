//! An open file.

#![allow(unsafe_code, reason = "sync_file_range and FICLONERANGE have no safe wrapper")]

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FlockOperation, Gid, Mode, OFlags, SeekFrom, Timespec,
    Timestamps, UTIME_OMIT, Uid, XattrFlags,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use super::holder::holder;
use super::kind::{FsKind, is_read_only};
use super::root::{At, Root, with_name};
use super::stat::{stat_at, timespec};
use super::still_takes_changes;
use super::writers::{Ownership, owner};
use crate::fs::{FsFile, FsSync, Owner, Space, Stat};

pub(super) struct OsFile<P> {
    fd: OwnedFd,
    /// Where the paths that it is given begin.
    root: P,
    /// A lock was requested, and the file system has none.
    unlocked: AtomicBool,
    /// What replaces the lock then.
    ownership: OnceLock<Ownership>,
}

impl<P: Root> OsFile<P> {
    pub(super) fn new(fd: OwnedFd, root: P) -> Self {
        Self { fd, root, unlocked: AtomicBool::new(false), ownership: OnceLock::new() }
    }

    /// Whether a lock that was just granted has no effect: then it is granted to a second open description of
    /// the same file too. Tested once per file system.
    fn locks_do_nothing(&self) -> io::Result<bool> {
        /// File systems whose locks work.
        static WORKING: Mutex<BTreeSet<u64>> = Mutex::new(BTreeSet::new());
        let working = || WORKING.lock().unwrap_or_else(PoisonError::into_inner);
        let device = self.stat()?.id.device;
        if working().contains(&device) {
            return Ok(false);
        }
        let again = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let Ok(second) = rustix::fs::open(&*again, flags, Mode::empty()) else {
            // It cannot be tested. The lock is believed.
            return Ok(false);
        };
        match flock(&second) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => {
                working().insert(device);
                Ok(false)
            }
            // Not known; tested again with the next file.
            Err(_) => Ok(false),
        }
    }
}

fn flock(file: impl AsFd) -> Result<(), Errno> {
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    retry_on_intr(|| rustix::fs::flock(&file, exclusive))
}

/// `FICLONERANGE`: `to` has these bytes in common with `from`, at the same place.
fn clone_range(to: &OwnedFd, from: BorrowedFd<'_>, range: &Range<u64>) -> Result<(), Errno> {
    let what = libc::file_clone_range {
        src_fd: from.as_raw_fd().into(),
        src_offset: range.start,
        src_length: range.end.saturating_sub(range.start),
        dest_offset: range.start,
    };
    // SAFETY: both descriptors are open for as long as they are borrowed here, and the kernel only reads `what`,
    // whose type is the one that belongs to this request.
    let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONERANGE, &raw const what) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Whether an error of a copy by the system means that it does not do that with these files: other file systems, or one
/// that has no such call; a place within a block; a swap file; a sandbox that forbids the call.
fn is_not_for_these_files(error: Errno) -> bool {
    matches!(
        error,
        Errno::XDEV
            | Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::NOTTY
            | Errno::INVAL
            | Errno::BADF
            | Errno::PERM
            | Errno::ACCESS
            | Errno::TXTBSY
            | Errno::ISDIR
    )
}

/// Names a file that has no name.
fn link(file: &OwnedFd, to: &At<'_>) -> Result<(), Errno> {
    let by_descriptor = || rustix::fs::linkat(file, c"", &to.dir, to.path, AtFlags::EMPTY_PATH);
    match retry_on_intr(by_descriptor) {
        // Before Linux 6.10 this needs a privilege, and without it the error is NOENT.
        Err(Errno::NOENT) => {
            let here = format!("/proc/self/fd/{}", file.as_raw_fd());
            let by_path =
                || rustix::fs::linkat(CWD, &*here, &to.dir, to.path, AtFlags::SYMLINK_FOLLOW);
            match retry_on_intr(by_path) {
                Err(Errno::NOENT) if rustix::fs::lstat(&*here).is_err() => Err(Errno::OPNOTSUPP),
                result => result,
            }
        }
        result => result,
    }
}

impl<P: Root> FsFile for OsFile<P> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buf, offset))?)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pwrite(&self.fd, buf, offset))?)
    }

    fn share_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<bool> {
        let Some(from) = source.descriptor() else { return Ok(false) };
        if range.is_empty() {
            // To the system a length of 0 means "to the end of the file".
            return Ok(false);
        }
        match retry_on_intr(|| clone_range(&self.fd, from, &range)) {
            Ok(()) => Ok(true),
            Err(error) if is_not_for_these_files(error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn copy_from(&self, source: &dyn FsFile, range: Range<u64>) -> io::Result<Option<u64>> {
        let Some(from) = source.descriptor() else { return Ok(None) };
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let copy = || {
            let (mut read, mut write) = (range.start, range.start);
            rustix::fs::copy_file_range(from, Some(&mut read), &self.fd, Some(&mut write), len)
        };
        match retry_on_intr(copy) {
            Ok(copied) => Ok(Some(copied as u64)),
            Err(error) if is_not_for_these_files(error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.fd)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    fn syncs_alone(&self) -> bool {
        FsKind::of(&self.fd).is_ok_and(FsKind::syncs_unnamed_alone)
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<FsSync> {
        let kind = FsKind::of(&self.fd)?;
        if kind == FsKind::Tmpfs {
            // Nothing there is written anywhere.
            return Ok(FsSync::Proven);
        }
        rustix::fs::syncfs(&self.fd)?;
        if !kind.reports_failed_writes() {
            return Ok(FsSync::NotTold);
        }
        if is_read_only(&self.fd)? {
            return Err(Errno::ROFS.into());
        }
        still_takes_changes(&self.root.directory(dir)?)?;
        Ok(FsSync::Proven)
    }

    fn link_to(&self, path: &Path) -> io::Result<()> {
        match with_name(&self.root, path, |to| link(&self.fd, to))? {
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            result => Ok(result?),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&self.fd, len))?)
    }

    fn reserving_writes(&self) -> io::Result<bool> {
        Ok(FsKind::of(&self.fd)? == FsKind::Tmpfs)
    }

    fn reserve(&self, range: Range<u64>) -> io::Result<bool> {
        let (start, len) = (range.start, range.end.saturating_sub(range.start));
        if len == 0 {
            return Ok(true);
        }
        let keep_size = || rustix::fs::fallocate(&self.fd, FallocateFlags::KEEP_SIZE, start, len);
        match retry_on_intr(keep_size) {
            Ok(()) => Ok(true),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn release(&self, range: Range<u64>) -> io::Result<()> {
        let end = self.stat()?.len;
        if range.start < end.min(range.end) {
            let flags = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
            let len = end.min(range.end) - range.start;
            retry_on_intr(|| rustix::fs::fallocate(&self.fd, flags, range.start, len))?;
        }
        // Beyond the end some file systems punch nothing; but a cut at the end frees it all.
        if end < range.end { self.set_len(end) } else { Ok(()) }
    }

    fn space(&self) -> io::Result<Option<Space>> {
        let all = match retry_on_intr(|| rustix::fs::fstatvfs(&self.fd)) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => return Ok(None),
            stat => stat?,
        };
        // Some that have no disk of their own report nothing.
        if all.f_blocks == 0 {
            return Ok(None);
        }
        let blocks = retry_on_intr(|| rustix::fs::fstat(&self.fd))?.st_blocks;
        Ok(Some(Space {
            total: all.f_blocks.saturating_mul(all.f_frsize),
            free: all.f_bavail.saturating_mul(all.f_frsize),
            held: u64::try_from(blocks).unwrap_or(0).saturating_mul(512),
        }))
    }

    fn longest(&self) -> io::Result<Option<u64>> {
        let of_process = getrlimit(Resource::Fsize).current;
        let of_system = FsKind::longest(&self.fd)?;
        Ok(of_process.into_iter().chain(of_system).min())
    }

    fn start_writeback(&self, offset: u64, len: u64) {
        let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return };
        if len == 0 {
            // To the system this means "to the end of the file".
            return;
        }
        // SAFETY: the descriptor is open for as long as `self` lives, and no memory is passed.
        // The result is ignored: the call is a hint, and the sync that follows finds any error.
        unsafe {
            libc::sync_file_range(self.fd.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE);
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_at(&self.fd, c"", AtFlags::EMPTY_PATH)?)
    }

    fn data_run(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        // Nothing else uses the cursor that this moves.
        let seek = |to: SeekFrom| retry_on_intr(|| rustix::fs::seek(&self.fd, to));
        let start = match seek(SeekFrom::Data(from)) {
            Ok(start) => start,
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                let len = self.stat()?.len;
                return Ok((from < len).then_some(from..len));
            }
            Err(error) => return Err(error.into()),
        };
        match seek(SeekFrom::Hole(start)) {
            Ok(end) => Ok((start < end).then_some(start..end)),
            // Cut off since the first call.
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn try_lock(&self) -> io::Result<bool> {
        match flock(&self.fd) {
            Ok(()) if self.locks_do_nothing()? => {}
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            // There are none here.
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
        self.unlocked.store(true, Ordering::Relaxed);
        if self.ownership.get().is_some() {
            return Ok(true);
        }
        Ok(Ownership::claim(self.stat()?.id)
            .is_some_and(|ownership| self.ownership.set(ownership).is_ok()))
    }

    fn is_locked(&self) -> bool {
        !self.unlocked.load(Ordering::Relaxed)
    }

    fn lock_holder(&self) -> Option<u32> {
        // For a message only: without it that says "another process".
        let id = self.stat().ok()?.id;
        if !self.is_locked() {
            return owner(id);
        }
        holder(&std::fs::read_to_string("/proc/locks").ok()?, id)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode)))?)
    }

    fn set_owner(&self, owner: Owner) -> io::Result<()> {
        let user = Some(Uid::from_raw(owner.user));
        let group = Some(Gid::from_raw(owner.group));
        Ok(retry_on_intr(|| rustix::fs::fchown(&self.fd, user, group))?)
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: timespec(time)?,
        };
        Ok(retry_on_intr(|| rustix::fs::futimens(&self.fd, &times))?)
    }

    fn set_attribute(&self, name: &str, value: &[u8]) -> io::Result<bool> {
        let set = || rustix::fs::fsetxattr(&self.fd, name, value, XattrFlags::empty());
        match retry_on_intr(set) {
            Ok(()) => Ok(true),
            // "No space for it" and "not this name" are ways of not supporting it.
            Err(
                Errno::OPNOTSUPP
                | Errno::NOSYS
                | Errno::PERM
                | Errno::TOOBIG
                | Errno::RANGE
                | Errno::NOSPC,
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn attribute(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut value = vec![0; 64 * 1024];
        match retry_on_intr(|| rustix::fs::fgetxattr(&self.fd, name, value.as_mut_slice())) {
            Ok(len) => {
                value.truncate(len);
                Ok(Some(value))
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
