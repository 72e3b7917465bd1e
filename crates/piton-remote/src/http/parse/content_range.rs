//! The Content-Range header (RFC 9110 section 14.4): which bytes a 206 carries.

use http::HeaderMap;
use http::header::CONTENT_RANGE;

use crate::ParseError;

/// A Content-Range in the unit `bytes`.
///
/// Only possible ranges can be had from the parser: `first <= last < total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum ContentRange {
    /// `bytes first-last/total`, or `/*` where the server does not know the total.
    Satisfied {
        /// Offset of the first byte that is sent.
        first: u64,
        /// Offset of the last byte that is sent.
        last: u64,
        /// Length of the whole representation in bytes.
        total: Option<u64>,
    },
    /// `bytes */total`, with a 416: nothing of what was asked for is there.
    Unsatisfied {
        /// Length of the whole representation in bytes; some servers send `*/*`.
        total: Option<u64>,
    },
}

impl ContentRange {
    /// Parses the value of the header.
    ///
    /// # Errors
    /// [`ParseError`] for another unit, for anything but digits where numbers belong, for numbers
    /// beyond 64 bits, and for ranges that end before they begin or after the total.
    pub(crate) fn parse(value: &str) -> Result<ContentRange, ParseError> {
        let wrong = |why| ParseError::new("Content-Range", why, value.as_bytes());
        let (unit, range) =
            value.trim().split_once([' ', '\t']).ok_or_else(|| wrong("it has no range"))?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return Err(wrong("its unit is not bytes"));
        }
        let (place, total) = range.split_once('/').ok_or_else(|| wrong("it has no total"))?;
        let number = |text: &str| number(text).map_err(wrong);
        let total = match total.trim() {
            "*" => None,
            total => Some(number(total)?),
        };
        if place.trim() == "*" {
            return Ok(ContentRange::Unsatisfied { total });
        }
        let (first, last) = place.split_once('-').ok_or_else(|| wrong("it is not a range"))?;
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(wrong("it ends before it begins"));
        }
        // The length of the range and the offset after it must be numbers too.
        if total.is_some_and(|total| last >= total) || last == u64::MAX {
            return Err(wrong("it goes past the end"));
        }
        Ok(ContentRange::Satisfied { first, last, total })
    }

    /// The Content-Range of a message; `None` without one.
    ///
    /// # Errors
    /// As [`ContentRange::parse`], and if there are several that differ.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<ContentRange>, ParseError> {
        let mut values = headers.get_all(CONTENT_RANGE).iter().map(|value| {
            let bytes = value.as_bytes();
            let text = std::str::from_utf8(bytes)
                .map_err(|_| ParseError::new("Content-Range", "it is not text", bytes))?;
            Ok((ContentRange::parse(text)?, bytes))
        });
        let Some(first) = values.next() else { return Ok(None) };
        let (range, _) = first?;
        for other in values {
            let (other, bytes) = other?;
            if other != range {
                return Err(ParseError::new("Content-Range", "there are two that differ", bytes));
            }
        }
        Ok(Some(range))
    }
}

fn number(text: &str) -> Result<u64, &'static str> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a position is not a number");
    }
    text.parse().map_err(|_| "a number in it is beyond 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        let parse = |value| ContentRange::parse(value).unwrap();
        assert_eq!(
            parse("bytes 0-499/1234"),
            ContentRange::Satisfied { first: 0, last: 499, total: Some(1234) }
        );
        assert_eq!(
            parse("Bytes  7 - 7 / * "),
            ContentRange::Satisfied { first: 7, last: 7, total: None }
        );
        assert_eq!(parse("bytes */1234"), ContentRange::Unsatisfied { total: Some(1234) });
        assert_eq!(parse("bytes */*"), ContentRange::Unsatisfied { total: None });
        assert_eq!(parse("bytes */0"), ContentRange::Unsatisfied { total: Some(0) });
        assert_eq!(
            parse("bytes 0-18446744073709551613/18446744073709551615"),
            ContentRange::Satisfied { first: 0, last: u64::MAX - 2, total: Some(u64::MAX) }
        );
    }

    #[test]
    fn impossible_ranges_are_refused() {
        for (value, why) in [
            ("", "it has no range"),
            ("bytes", "it has no range"),
            ("bytes=0-4/5", "it has no range"),
            ("lines 0-4/5", "its unit is not bytes"),
            ("bytes 0-4", "it has no total"),
            ("bytes 4/5", "it is not a range"),
            ("bytes -4/5", "a position is not a number"),
            ("bytes 0--4/5", "a position is not a number"),
            ("bytes +0-4/5", "a position is not a number"),
            ("bytes 0-4/", "a position is not a number"),
            ("bytes 0-4/-5", "a position is not a number"),
            ("bytes 0-4/5/6", "a position is not a number"),
            ("bytes 0x0-0x4/5", "a position is not a number"),
            ("bytes ٠-٤/٥", "a position is not a number"),
            ("bytes 4-3/5", "it ends before it begins"),
            ("bytes 0-5/5", "it goes past the end"),
            ("bytes 0-0/0", "it goes past the end"),
            ("bytes 0-18446744073709551615/*", "it goes past the end"),
            ("bytes 0-18446744073709551616/*", "a number in it is beyond 64 bits"),
            ("bytes 0-4/99999999999999999999999", "a number in it is beyond 64 bits"),
        ] {
            assert_eq!(ContentRange::parse(value).unwrap_err().why(), why, "{value}");
        }
    }

    #[test]
    fn two_headers_must_agree() {
        let mut headers = HeaderMap::new();
        assert_eq!(ContentRange::from_headers(&headers), Ok(None));
        headers.append(CONTENT_RANGE, "bytes 0-4/5".parse().unwrap());
        headers.append(CONTENT_RANGE, "bytes  0-4/5".parse().unwrap());
        assert!(ContentRange::from_headers(&headers).unwrap().is_some());
        headers.append(CONTENT_RANGE, "bytes 0-3/5".parse().unwrap());
        assert!(ContentRange::from_headers(&headers).is_err());
    }
}
