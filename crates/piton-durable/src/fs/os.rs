//! The operating system's files (Linux).

#![allow(unsafe_code, reason = "sync_file_range has no safe wrapper")]

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, FlockOperation, Gid, Mode, OFlags, RenameFlags,
    SeekFrom, Statx, StatxFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use super::kind::{Kind, is_read_only};
use super::{Existing, FileId, Fs, FsFile, FsSync, Open, Owner, Space, Stat, is_of_the_disk};

/// The real file system.
///
/// Interrupted calls are made again, except a sync: a sync that failed says that bytes may be lost,
/// and the next one would say "done" without them (G7). Where a file is opened for writing, a
/// symbolic link in the last place of the path is refused (`ELOOP`), so that nobody can aim a
/// write elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFs;

impl Fs for OsFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn FsFile>> {
        let write = OFlags::RDWR | OFlags::NOFOLLOW;
        let (flags, mode) = match how {
            Open::Read => (OFlags::RDONLY, 0),
            Open::ReadWrite => (write, 0),
            Open::Create { mode } => (write | OFlags::CREATE, mode),
            Open::CreateNew { mode } => (write | OFlags::CREATE | OFlags::EXCL, mode),
        };
        // NONBLOCK keeps the opening of a FIFO from waiting for ever; on regular files it does nothing.
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags, Mode::from_raw_mode(mode)))?;
        Ok(Arc::new(OsFile { fd }))
    }

    fn create_unnamed(&self, dir: &Path, mode: u32) -> io::Result<Arc<dyn FsFile>> {
        match open_unnamed(dir, mode) {
            Ok(fd) if Kind::of(&fd)?.keeps_unnamed() => Ok(Arc::new(OsFile { fd })),
            Ok(_) => Err(io::ErrorKind::Unsupported.into()),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOSYS | Errno::INVAL) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        found(stat_at(CWD, path, AtFlags::empty()))
    }

    fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        found(stat_at(CWD, path, AtFlags::SYMLINK_NOFOLLOW))
    }

    fn rename(&self, from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
        match existing {
            Existing::Replace => Ok(retry_on_intr(|| rustix::fs::rename(from, to))?),
            Existing::Keep => rename_keeping(from, to),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::unlink(path))?)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::open(dir, flags, Mode::empty()))?;
        match rustix::fs::fsync(&fd) {
            // Some file systems cannot sync a directory: what they can sync is everything.
            Err(Errno::INVAL) => rustix::fs::syncfs(&fd)?,
            result => result?,
        }
        still_takes_changes(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(dir)?.map(|entry| Ok(PathBuf::from(entry?.file_name()))).collect()
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::mkdir(dir, Mode::from_raw_mode(0o777)))?)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn new_file_mode(&self, dir: &Path) -> io::Result<u32> {
        let made = open_unnamed(dir, 0o666)
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

/// `RENAME_NOREPLACE`; where the file system lacks it, link and unlink; where it has no links
/// either, a look before the rename, which leaves an instant for another program to step into.
fn rename_keeping(from: &Path, to: &Path) -> io::Result<()> {
    let no_replace = || rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE);
    match retry_on_intr(no_replace) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return Ok(result?),
    }
    match retry_on_intr(|| rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())) {
        Ok(()) => return Ok(retry_on_intr(|| rustix::fs::unlink(from))?),
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    match retry_on_intr(|| rustix::fs::lstat(to)) {
        Ok(_) => Err(Errno::EXIST.into()),
        Err(Errno::NOENT) => Ok(retry_on_intr(|| rustix::fs::rename(from, to))?),
        Err(error) => Err(error.into()),
    }
}

/// The umask, read without setting it: setting it and back would race with files that other threads create.
fn umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

fn open_unnamed(dir: &Path, mode: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::open(dir, flags, Mode::from_raw_mode(mode)))
}

/// Whether the file system of `dir` was alive when a sync before this said that all is durable.
///
/// A journal that fails to be written (in the background, say) is the end of a file system until it is
/// mounted again; but ext4 finds that out with the next change only, and until then answers the sync of a
/// folder, or of a file, with success, although what it was to make durable is lost. Such a change is a
/// file without a name. Where there are none, or none may be made, nothing is learned.
fn still_takes_changes(dir: &Path) -> io::Result<()> {
    match open_unnamed(dir, 0o600).map_err(io::Error::from) {
        Err(error) if is_of_the_disk(&error) => Err(error),
        _ => Ok(()),
    }
}

struct OsFile {
    fd: OwnedFd,
}

impl FsFile for OsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(&self.fd, &mut *buf, offset))?)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pwrite(&self.fd, buf, offset))?)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.fd)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    fn syncs_alone(&self) -> bool {
        Kind::of(&self.fd).is_ok_and(Kind::syncs_unnamed_alone)
    }

    fn sync_fs(&self, dir: &Path) -> io::Result<FsSync> {
        let kind = Kind::of(&self.fd)?;
        if kind == Kind::Tmpfs {
            // Nothing there is written anywhere.
            return Ok(FsSync::Proven);
        }
        rustix::fs::syncfs(&self.fd)?;
        if !kind.tells() {
            return Ok(FsSync::NotTold);
        }
        if is_read_only(&self.fd)? {
            return Err(Errno::ROFS.into());
        }
        still_takes_changes(dir)?;
        Ok(FsSync::Proven)
    }

    fn link_to(&self, path: &Path) -> io::Result<()> {
        let by_descriptor = || rustix::fs::linkat(&self.fd, c"", CWD, path, AtFlags::EMPTY_PATH);
        let linked = match retry_on_intr(by_descriptor) {
            // Before Linux 6.10 this takes a privilege, and its lack is called NOENT.
            Err(Errno::NOENT) => {
                let here = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
                let by_path =
                    || rustix::fs::linkat(CWD, &*here, CWD, path, AtFlags::SYMLINK_FOLLOW);
                match retry_on_intr(by_path) {
                    Err(Errno::NOENT) if rustix::fs::lstat(&*here).is_err() => {
                        Err(Errno::OPNOTSUPP)
                    }
                    result => result,
                }
            }
            result => result,
        };
        match linked {
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            result => Ok(result?),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&self.fd, len))?)
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
        let all = retry_on_intr(|| rustix::fs::fstatvfs(&self.fd))?;
        // Some that have no disk of their own say nothing.
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

    fn start_writeback(&self, offset: u64, len: u64) {
        let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return };
        if len == 0 {
            // To the system this means "to the end of the file".
            return;
        }
        // SAFETY: the descriptor is open for as long as `self` lives, and no memory is passed.
        // The result is left alone: the call is a hint, and the sync that follows finds any error.
        unsafe {
            libc::sync_file_range(self.fd.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE);
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_at(&self.fd, c"", AtFlags::EMPTY_PATH)?)
    }

    fn data_run(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        // The cursor that this moves is used by nothing else.
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
        let exclusive = FlockOperation::NonBlockingLockExclusive;
        match retry_on_intr(|| rustix::fs::flock(&self.fd, exclusive)) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn lock_holder(&self) -> Option<u32> {
        // For a message only: without it that says "another process".
        let id = self.stat().ok()?.id;
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
            // "No room for it" and "not this name" are ways of not supporting it.
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

/// `statx`, which alone tells the birth; where it is missing (Linux before 4.11, some sandboxes) `stat`.
fn stat_at(dir: impl AsFd, path: impl Arg + Copy, flags: AtFlags) -> Result<Stat, Errno> {
    let dir = dir.as_fd();
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    match retry_on_intr(|| rustix::fs::statx(dir, path, flags, wanted)) {
        Err(Errno::NOSYS) => {
            retry_on_intr(|| rustix::fs::statat(dir, path, flags)).map(|stat| from_stat(&stat))
        }
        result => result.map(|stat| from_statx(&stat)),
    }
}

/// `None` where there is nothing.
fn found(result: Result<Stat, Errno>) -> io::Result<Option<Stat>> {
    match result {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        result => Ok(Some(result?)),
    }
}

fn from_statx(stat: &Statx) -> Stat {
    let kind = FileType::from_raw_mode(stat.stx_mode.into());
    let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    // Some file systems say 1970 where they know nothing.
    let seconds = u64::try_from(stat.stx_btime.tv_sec).ok().filter(|seconds| told && *seconds > 0);
    let birth = seconds.map(|seconds| {
        seconds.wrapping_mul(1_000_000_000).wrapping_add(stat.stx_btime.tv_nsec.into())
    });
    let time = |time: &rustix::fs::StatxTimestamp| system_time(time.tv_sec, time.tv_nsec.into());
    Stat {
        id: FileId { device, inode: stat.stx_ino, birth },
        len: stat.stx_size,
        is_file: kind == FileType::RegularFile,
        is_dir: kind == FileType::Directory,
        mode: u32::from(stat.stx_mode) & 0o7777,
        links: stat.stx_nlink.into(),
        owner: Owner { user: stat.stx_uid, group: stat.stx_gid },
        modified: time(&stat.stx_mtime),
        changed: time(&stat.stx_ctime),
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "the count of links has another width on other machines"
)]
fn from_stat(stat: &rustix::fs::Stat) -> Stat {
    let kind = FileType::from_raw_mode(stat.st_mode);
    Stat {
        id: FileId { device: stat.st_dev, inode: stat.st_ino, birth: None },
        len: u64::try_from(stat.st_size).unwrap_or(0),
        is_file: kind == FileType::RegularFile,
        is_dir: kind == FileType::Directory,
        mode: stat.st_mode & 0o7777,
        links: stat.st_nlink,
        owner: Owner { user: stat.st_uid, group: stat.st_gid },
        modified: system_time(stat.st_mtime, stat.st_mtime_nsec),
        changed: system_time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

fn system_time(seconds: i64, nanoseconds: u64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time =
        if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    time.and_then(|time| time.checked_add(Duration::from_nanos(nanoseconds))).unwrap_or(UNIX_EPOCH)
}

fn timespec(time: SystemTime) -> io::Result<Timespec> {
    let out_of_range = |_| io::Error::from(io::ErrorKind::InvalidInput);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Ok(Timespec {
            tv_sec: i64::try_from(after.as_secs()).map_err(out_of_range)?,
            tv_nsec: after.subsec_nanos().into(),
        }),
        Err(error) => {
            // Before 1970: whole seconds are rounded down, and the rest counts up from there.
            let before = error.duration();
            let up = u64::from(before.subsec_nanos() > 0);
            let seconds =
                i64::try_from(before.as_secs().saturating_add(up)).map_err(out_of_range)?;
            Ok(Timespec {
                tv_sec: -seconds,
                tv_nsec: (1_000_000_000 - i64::from(before.subsec_nanos())) % 1_000_000_000,
            })
        }
    }
}

/// The process that holds a flock on `id` according to the text of `/proc/locks`.
///
/// Some file systems (btrfs) show another device number there than `stat` does; then the inode
/// alone decides, if only one lock has it.
fn holder(locks: &str, id: FileId) -> Option<u32> {
    let mut same_inode = Vec::new();
    for line in locks.lines() {
        let mut words = line.split_ascii_whitespace();
        // "5: FLOCK  ADVISORY  WRITE 1234 fe:01:8126492 0 EOF"; lines of waiters have "->" second.
        if words.nth(1) != Some("FLOCK") {
            continue;
        }
        let Some(Ok(pid)) = words.nth(2).map(str::parse::<u32>) else { continue };
        let Some((device, inode)) = words.next().and_then(|place| place.rsplit_once(':')) else {
            continue;
        };
        if inode.parse() != Ok(id.inode) {
            continue;
        }
        let numbers = device.split_once(':').and_then(|(major, minor)| {
            Some((u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?))
        });
        if numbers == Some((rustix::fs::major(id.device), rustix::fs::minor(id.device))) {
            return (pid != 0).then_some(pid);
        }
        same_inode.push(pid);
    }
    match same_inode.as_slice() {
        [pid] if *pid != 0 => Some(*pid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_by_device_and_inode() {
        let device = rustix::fs::makedev(0xfe, 1);
        let id = |inode| FileId { device, inode, birth: None };
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:01:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 8 fe:02:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 fe:01:42 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 10 fe:01:42 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 11 00:1f:43 0 EOF\n";
        assert_eq!(holder(locks, id(42)), Some(9));
        assert_eq!(holder(locks, id(43)), Some(11));
        assert_eq!(holder(locks, id(44)), None);
        assert_eq!(holder("rubbish\n5: FLOCK", id(42)), None);
    }

    #[test]
    fn times_before_1970_keep_their_fraction() {
        let time = UNIX_EPOCH - Duration::from_millis(1500);
        let spec = timespec(time).unwrap();
        assert_eq!((spec.tv_sec, spec.tv_nsec), (-2, 500_000_000));
        assert_eq!(system_time(spec.tv_sec, spec.tv_nsec as u64), time);
    }
}
