//! The Content-Length header (RFC 9110 section 8.6), of which there may wrongly be several.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use crate::ParseError;

/// The length of a message's content in bytes; `None` without the header.
///
/// Identical values, in several headers or in one list, count as one.
///
/// # Errors
/// [`ParseError`] for values that differ, and for anything but digits that make up a number of 64 bits:
/// where the body ends would be a guess, and RFC 9112 section 6.3 forbids to make one.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ParseError> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let bytes = value.as_bytes();
        let wrong = |why| ParseError::new("Content-Length", why, bytes);
        let text = value.to_str().map_err(|_| wrong("it is not a number"))?;
        for item in text.split(',').map(str::trim) {
            if item.is_empty() || !item.bytes().all(|b| b.is_ascii_digit()) {
                return Err(wrong("it is not a number"));
            }
            let item = item.parse().map_err(|_| wrong("it is beyond 64 bits"))?;
            if length.replace(item).is_some_and(|before: u64| before != item) {
                return Err(wrong("there are two that differ"));
            }
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(values: &[&str]) -> Result<Option<u64>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_LENGTH, value.parse().unwrap());
        }
        content_length(&headers).map_err(|error| error.why())
    }

    #[test]
    fn identical_values_fold() {
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&["0"]), Ok(Some(0)));
        assert_eq!(length(&["42", "42"]), Ok(Some(42)));
        assert_eq!(length(&["42, 42 ,042"]), Ok(Some(42)));
        assert_eq!(length(&["18446744073709551615"]), Ok(Some(u64::MAX)));
    }

    #[test]
    fn all_else_is_refused() {
        for rubbish in ["", "-1", "+1", "1 2", "0x10", "1.5", "1e3", "42,", ",42", "ten", "é"] {
            assert_eq!(length(&[rubbish]), Err("it is not a number"), "{rubbish:?}");
        }
        assert_eq!(length(&["42", "43"]), Err("there are two that differ"));
        assert_eq!(length(&["42, 43"]), Err("there are two that differ"));
        assert_eq!(length(&["42", "x"]), Err("it is not a number"));
        assert_eq!(length(&["18446744073709551616"]), Err("it is beyond 64 bits"));
    }
}
