//! Times of modification.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Compares times of modification as far as whoever kept them less exactly can tell: a server in seconds, a file
/// system in those, in nanoseconds, or in something between.
pub fn compare_times(a: SystemTime, b: SystemTime) -> Ordering {
    let (a, b) = (unix_nanoseconds(a), unix_nanoseconds(b));
    let step = step(a).max(step(b));
    a.div_euclid(step).cmp(&b.div_euclid(step))
}

/// In what steps the clock may count that this time is of, in nanoseconds.
fn step(time: i128) -> i128 {
    let steps = [1_000_000_000, 10_000_000, 1_000_000, 1_000, 100];
    steps.into_iter().find(|step| time % step == 0).unwrap_or(1)
}

/// Nanoseconds since 1970; negative before.
pub fn unix_nanoseconds(time: SystemTime) -> i128 {
    let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanoseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }

    #[test]
    fn as_exactly_as_both_can_tell() {
        let source = 1_700_000_000_123_456_789;
        // What file systems make of that time: in nanoseconds, 100 of them, 10 ms, seconds.
        for copy in
            [source, source / 100 * 100, 1_700_000_000_120_000_000, 1_700_000_000_000_000_000]
        {
            assert_eq!(compare_times(at(source), at(copy)), Ordering::Equal, "{copy}");
            let later = at(source + 1_000_000_000);
            assert_eq!(compare_times(later, at(copy)), Ordering::Greater, "{copy}");
        }
        assert_eq!(compare_times(at(source + 1), at(source)), Ordering::Greater);
        assert_eq!(compare_times(at(source - 1), at(source)), Ordering::Less);
        let (before_1970, two) =
            (UNIX_EPOCH - Duration::from_millis(1500), UNIX_EPOCH - Duration::from_secs(2));
        assert_eq!(compare_times(before_1970, two), Ordering::Equal);
        assert_eq!(compare_times(UNIX_EPOCH, before_1970), Ordering::Greater);
    }
}
