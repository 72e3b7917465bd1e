//! Dates of HTTP (RFC 9110 section 5.6.7), in seconds and always in UTC.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Reads a date in any of the three forms a recipient must know: `Sun, 06 Nov 1994 08:49:37 GMT`,
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. Rubbish is `None`.
///
/// The day of the week is not checked. Two-digit years are those from 1970 to 2069. The second 60 of a
/// leap second counts as the last of its minute, and the last hours of the year 9999, which are beyond the
/// calendar's end, as that end.
pub(crate) fn parse(value: &str) -> Option<SystemTime> {
    // The longest form has 33 characters.
    if value.len() > 64 || !value.is_ascii() {
        return None;
    }
    let value = value.trim();
    let moment = match value.split_once(',') {
        Some((_, rest)) => imf_fixdate(rest).or_else(|| rfc850(rest)),
        None => asctime(value),
    }?;
    let moment = TimeZone::UTC.to_timestamp(moment).unwrap_or(Timestamp::MAX);
    Some(SystemTime::from(Timestamp::from_second(moment.as_second()).ok()?))
}

/// Writes a date as [`parse`] and every server reads it, `Sun, 06 Nov 1994 08:49:37 GMT`; parts of a
/// second are cut. `None` for moments outside the years 0 to 9999.
pub(crate) fn format(moment: SystemTime) -> Option<String> {
    let moment = Timestamp::try_from(moment).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).ok()
}

fn imf_fixdate(rest: &str) -> Option<DateTime> {
    let mut words = rest.split_ascii_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let time = clock(words.next()?)?;
    utc(words)?;
    Some(date(day, month, number(year, 4)?)?.to_datetime(time))
}

fn rfc850(rest: &str) -> Option<DateTime> {
    let mut words = rest.split_ascii_whitespace();
    let mut parts = words.next()?.split('-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let time = clock(words.next()?)?;
    utc(words)?;
    let year = match (year.len(), number(year, 4)?) {
        (2, year @ 70..) => 1900_i16.checked_add(year)?,
        (2, year) => 2000_i16.checked_add(year)?,
        (_, year) => year,
    };
    Some(date(day, month, year)?.to_datetime(time))
}

fn asctime(value: &str) -> Option<DateTime> {
    let mut words = value.split_ascii_whitespace();
    let (_weekday, month, day) = (words.next()?, words.next()?, words.next()?);
    let time = clock(words.next()?)?;
    let year = number(words.next()?, 4)?;
    if words.next().is_some() {
        return None;
    }
    Some(date(day, month, year)?.to_datetime(time))
}

fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':').map(|part| number(part, 2).and_then(|n| i8::try_from(n).ok()));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || second > 60 {
        return None;
    }
    Time::new(hour, minute, second.min(59), 0).ok()
}

/// `GMT` and nothing after it; some servers write `UTC`.
fn utc<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<()> {
    let zone = words.next()?;
    let known = zone.eq_ignore_ascii_case("GMT") || zone.eq_ignore_ascii_case("UTC");
    (known && words.next().is_none()).then_some(())
}

fn date(day: &str, month: &str, year: i16) -> Option<Date> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let before = MONTHS.iter().position(|name| month.eq_ignore_ascii_case(name))?;
    let month = i8::try_from(before).ok()?.checked_add(1)?;
    Date::new(year, month, number(day, 2)?.try_into().ok()?).ok()
}

fn number(text: &str, max_digits: usize) -> Option<i16> {
    let digits = (1..=max_digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn seconds(value: &str) -> Option<u64> {
        Some(parse(value)?.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn the_three_forms_of_one_moment() {
        for value in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " sun, 6 nov 1994 08:49:37 gmt ",
            "Sunday, 06-Nov-1994 08:49:37 UTC",
        ] {
            assert_eq!(seconds(value), Some(784_111_777), "{value}");
        }
    }

    #[test]
    fn edges_of_the_calendar() {
        assert_eq!(seconds("Thu, 29 Feb 2024 23:59:60 GMT"), Some(1_709_251_199));
        assert_eq!(seconds("Thursday, 01-Jan-70 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Sunday, 01-Jan-69 00:00:00 GMT"), Some(3_124_224_000));
        for wrong in [
            "Wed, 29 Feb 2023 00:00:00 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn rubbish_is_no_date() {
        for rubbish in [
            "",
            ",",
            "now",
            "Sun, 06 Nov 1994 08:49:37 +0100",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 November 1994 08:49:37 GMT",
            "Sun, -6 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94-1 08:49:37 GMT",
            "Sun Nov  6 08:49:37 99999",
            "1994-11-06T08:49:37Z",
            "Sün, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(rubbish), None, "{rubbish}");
        }
        assert_eq!(parse(&"S".repeat(100_000)), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let moment = UNIX_EPOCH + Duration::from_millis(784_111_777_900);
        assert_eq!(format(moment).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(seconds(&format(UNIX_EPOCH).unwrap()), Some(0));
        assert_eq!(format(UNIX_EPOCH + Duration::from_secs(1 << 60)), None);
    }
}
