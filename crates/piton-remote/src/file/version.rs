//! Which version a file is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_checkpoint::{Identity, Validator, Verdict};
use piton_durable::fs::Stat;

/// A file that was changed less than this ago may change again without a new time: clocks of file systems tick
/// every few milliseconds, those of network file systems and of FAT every second or two.
const TICK: Duration = Duration::from_secs(3);

/// What `stat` says of which version the file is.
pub(super) fn identity(stat: &Stat) -> Identity {
    let last = stat.modified.max(stat.changed);
    // One from the future is none to rely on.
    let is_settled = SystemTime::now().duration_since(last).is_ok_and(|age| age > TICK);
    let (modified, changed) = (nanos(stat.modified), nanos(stat.changed));
    let (device, inode) = (stat.id.device, stat.id.inode);
    let tag = format!("{device:x}-{inode:x}-{:x}-{modified}-{changed}", stat.len);
    Identity {
        size: Some(stat.len),
        etag: Some(Validator { weak: !is_settled, tag }),
        last_modified: Some(format!("{PREFIX}{modified} (status {changed})")),
    }
}

/// Whether `stat` is of the file that `was`, unchanged.
pub(super) fn is_unchanged(was: &Stat, stat: &Stat) -> bool {
    let seen = |stat: &Stat| (stat.id.device, stat.id.inode, stat.len, stat.modified, stat.changed);
    seen(was) == seen(stat)
}

/// Whether the file is surely the version that is wanted.
pub(super) fn is_same(wanted: &Identity, is: &Identity) -> bool {
    matches!(wanted.compare(is), Verdict::Same(strength) if !strength.wants_overlap())
}

/// Tells a time of this form from an HTTP date.
const PREFIX: &str = "unix time in ns ";

/// The time of modification that an [`identity`] has.
pub(crate) fn parse_modified(text: &str) -> Option<SystemTime> {
    let number = text.strip_prefix(PREFIX)?.split(' ').next()?;
    let nanos: i128 = number.parse().ok()?;
    let age = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).ok()?);
    if nanos < 0 { UNIX_EPOCH.checked_sub(age) } else { UNIX_EPOCH.checked_add(age) }
}

/// Nanoseconds since 1970; negative before.
fn nanos(time: SystemTime) -> i128 {
    let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_were_written() {
        for offset in [0, 1, 1_700_000_000_123_456_789_i64, -1, -86_400_000_000_000] {
            let age = Duration::from_nanos(offset.unsigned_abs());
            let time = if offset < 0 { UNIX_EPOCH - age } else { UNIX_EPOCH + age };
            let text = format!("{PREFIX}{} (status 7)", nanos(time));
            assert_eq!(parse_modified(&text), Some(time), "{text}");
        }
        for other in ["Tue, 01 Dec 2026 00:00:00 GMT", "", PREFIX, "unix time in ns x", "1700"] {
            assert_eq!(parse_modified(other), None, "{other:?}");
        }
    }
}
