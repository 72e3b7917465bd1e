//! The Retry-After header (RFC 9110 section 10.2.3): how long a server asks to be left alone.

use std::time::{Duration, SystemTime};

use super::http_date;

/// The time to wait from `now`, at most `max`, whether the header gives seconds or a date.
///
/// A date that has passed is no wait. Rubbish is `None`: the caller waits as it would without the
/// header.
pub(crate) fn parse(value: &str, now: SystemTime, max: Duration) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // All digits and yet no number: too great, and cut to the maximum below.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        http_date::parse(value)?.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(max))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn wait(value: &str) -> Option<u64> {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        parse(value, now, HOUR).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates() {
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(wait("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(wait("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
    }

    #[test]
    fn long_waits_are_cut() {
        assert_eq!(wait("86400"), Some(3600));
        assert_eq!(wait("99999999999999999999999999"), Some(3600));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(3600));
    }

    #[test]
    fn rubbish_is_ignored() {
        for rubbish in ["", " ", "-1", "+5", "1.5", "soon", "120s", "Sun, 06 Nov", "１２"] {
            assert_eq!(wait(rubbish), None, "{rubbish}");
        }
    }
}
