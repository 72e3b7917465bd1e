//! Conversion from and to what the system calls use: metadata and times.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, Timespec};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use crate::fs::{FileId, Owner, Stat};

/// `statx`, the only one that reports the birth; where it is missing (Linux before 4.11, some sandboxes) `stat`.
pub(super) fn stat_at(
    dir: impl AsFd,
    path: impl Arg + Copy,
    flags: AtFlags,
) -> Result<Stat, Errno> {
    let dir = dir.as_fd();
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    match retry_on_intr(|| rustix::fs::statx(dir, path, flags, wanted)) {
        // Some sandboxes refuse what they do not know with "not permitted".
        Err(Errno::NOSYS | Errno::PERM) => {
            retry_on_intr(|| rustix::fs::statat(dir, path, flags)).map(|stat| from_stat(&stat))
        }
        result => result.map(|stat| from_statx(&stat)),
    }
}

fn from_statx(stat: &Statx) -> Stat {
    let kind = FileType::from_raw_mode(stat.stx_mode.into());
    let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
    let reported = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    // Some file systems report 1970 if they do not know.
    let seconds =
        u64::try_from(stat.stx_btime.tv_sec).ok().filter(|seconds| reported && *seconds > 0);
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

#[allow(clippy::useless_conversion, reason = "the link count has another width on other machines")]
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

pub(super) fn timespec(time: SystemTime) -> io::Result<Timespec> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_fraction() {
        let time = UNIX_EPOCH - Duration::from_millis(1500);
        let spec = timespec(time).unwrap();
        assert_eq!((spec.tv_sec, spec.tv_nsec), (-2, 500_000_000));
        assert_eq!(system_time(spec.tv_sec, spec.tv_nsec as u64), time);
    }
}
