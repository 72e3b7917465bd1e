//! Which version a file is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use piton_checkpoint::{Identity, Validator, Verdict};
use piton_durable::fs::Stat;

use crate::time::unix_nanoseconds;

/// A file that was changed less than this ago may change again without a new time: Linux takes the times of files
/// from a clock that ticks every 1 to 10 ms.
const TICK: Duration = Duration::from_millis(50);
/// The same where times are kept in seconds, or in the two of FAT.
const COARSE: Duration = Duration::from_secs(3);

/// What `stat` says of which version the file is.
pub(super) fn identity(stat: &Stat) -> Identity {
    let (modified, changed) = (unix_nanoseconds(stat.modified), unix_nanoseconds(stat.changed));
    let is_settled = unsettled_for(stat).is_none();
    // Not the device: many file systems get another number when they are mounted again.
    let tag = format!("{PREFIX}{:x}/{modified}/{changed}", stat.id.inode);
    // All times are in the tag. A time beside it would make a weak one count for more than it proves.
    Identity {
        size: Some(stat.len),
        etag: Some(Validator { weak: !is_settled, tag }),
        last_modified: None,
    }
}

/// How long until the times of the file tell every change that comes after. `None`: they do by now.
pub(super) fn unsettled_for(stat: &Stat) -> Option<Duration> {
    let tick = if unix_nanoseconds(stat.changed) % 1_000_000 == 0 { COARSE } else { TICK };
    let last = stat.modified.max(stat.changed);
    match SystemTime::now().duration_since(last) {
        Ok(age) if age > tick => None,
        Ok(age) => Some(tick - age + Duration::from_millis(1)),
        // One from the future is none to rely on.
        Err(_) => Some(tick),
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

/// Tells a tag of this form from that of a server.
const PREFIX: &str = "file:";

/// The time of modification that the tag of an [`identity`] has in it.
pub(crate) fn modified_of(tag: &str) -> Option<SystemTime> {
    let number = tag.strip_prefix(PREFIX)?.split('/').nth(1)?;
    let nanos: i128 = number.parse().ok()?;
    let age = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).ok()?);
    if nanos < 0 { UNIX_EPOCH.checked_sub(age) } else { UNIX_EPOCH.checked_add(age) }
}

#[cfg(test)]
mod tests {
    use piton_checkpoint::Change;
    use piton_durable::fs::{FileId, Owner};

    use super::*;

    fn stat(modified: SystemTime, changed: SystemTime) -> Stat {
        Stat {
            id: FileId { device: 1, inode: 2, birth: None },
            len: 100,
            is_file: true,
            is_dir: false,
            mode: 0o644,
            links: 1,
            owner: Owner { user: 0, group: 0 },
            modified,
            changed,
        }
    }

    #[test]
    fn a_file_that_was_just_changed_proves_little() {
        let now = SystemTime::now();
        let (old, recent) = (UNIX_EPOCH + COARSE, now - TICK * 2);
        let coarse = |time: SystemTime| {
            UNIX_EPOCH + Duration::from_secs((unix_nanoseconds(time) / 1_000_000_000) as u64)
        };
        let fine = |time: SystemTime| coarse(time) + Duration::from_nanos(7);
        let strength = |modified, changed| identity(&stat(modified, changed)).best_strength();
        let before = fine(now - Duration::from_secs(2));
        for (modified, changed) in [(old, old), (old, before), (before, before)] {
            assert!(
                !strength(modified, changed).unwrap().wants_overlap(),
                "{modified:?} {changed:?}"
            );
        }
        let later = now + COARSE;
        for (modified, changed) in [(now, now), (old, now), (later, old), (old, coarse(recent))] {
            assert!(
                strength(modified, changed).unwrap().wants_overlap(),
                "{modified:?} {changed:?}"
            );
        }
    }

    #[test]
    fn whatever_differs_is_another_version() {
        let old = SystemTime::UNIX_EPOCH + TICK;
        let was = stat(old, old);
        let others = [
            Stat { modified: old + TICK, ..was },
            Stat { changed: old + TICK, ..was },
            Stat { id: FileId { inode: 3, ..was.id }, ..was },
        ];
        for other in others {
            assert_eq!(identity(&was).compare(&identity(&other)), Verdict::Changed(Change::Tag));
            assert!(!is_unchanged(&was, &other));
        }
        let mounted_again = Stat { id: FileId { device: 3, ..was.id }, ..was };
        assert!(is_same(&identity(&was), &identity(&mounted_again)));
        assert!(is_unchanged(&was, &was) && is_same(&identity(&was), &identity(&was)));
    }

    #[test]
    fn times_are_read_as_they_were_written() {
        for offset in [0, 1, 1_700_000_000_123_456_789_i64, -1, -86_400_000_000_000] {
            let age = Duration::from_nanos(offset.unsigned_abs());
            let time = if offset < 0 { UNIX_EPOCH - age } else { UNIX_EPOCH + age };
            let text = format!("{PREFIX}2a/{}/7", unix_nanoseconds(time));
            assert_eq!(modified_of(&text), Some(time), "{text}");
        }
        for other in ["5f-6a", "", PREFIX, "file:1", "file:1/x/3", "1/2/3"] {
            assert_eq!(modified_of(other), None, "{other:?}");
        }
    }
}
