//! HTTP dates (RFC 9110, section 5.6.7).

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// `time` as `Sun, 06 Nov 1994 08:49:37 GMT`, fractions of a second cut off.
///
/// # Panics
///
/// When the year of `time` has more than four digits.
pub fn http_date(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).expect("a time that a timestamp can hold");
    DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).expect("a year of four digits")
}

/// The time that an HTTP date names, or `None` when it is none.
pub(super) fn parse_http_date(text: &str) -> Option<SystemTime> {
    DateTimeParser::new().parse_timestamp(text).ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_and_back() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(time));
        assert_eq!(parse_http_date("\"etag\""), None);
    }
}
