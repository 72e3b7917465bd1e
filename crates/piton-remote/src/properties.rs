//! What must hold of each parser for every input.
//!
//! One function per parser, from raw bytes; it panics if the property does not hold. The fuzz targets
//! call these same functions (feature `fuzzing`), and the tests at the end look whether
//! they hold near the seeds of the targets and for random bytes.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};

use crate::http::parse::content_length::content_length;
use crate::http::parse::content_range::ContentRange;
use crate::http::parse::cookies_txt::CookiesTxt;
use crate::http::parse::etag::ETag;
use crate::http::parse::{content_disposition, digest_headers, http_date, retry_after};
use crate::netrc::Netrc;

/// A proposed name is never empty. What makes it safe is the business of whoever uses it.
pub fn content_disposition(data: &[u8]) {
    if let Some(raw) = content_disposition::file_name(data) {
        assert!(!raw.is_empty());
    }
}

/// Only possible ranges come out, and writing one out gives the same range again. Content-Length and
/// ETag ride along.
pub fn content_range(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(ContentRange::Satisfied { first, last, total }) = ContentRange::parse(&text) {
        assert!(first <= last && last < total.unwrap_or(u64::MAX));
        let total_text = total.map_or("*".to_owned(), |total| total.to_string());
        let again = ContentRange::parse(&format!("bytes {first}-{last}/{total_text}"));
        assert_eq!(again, Ok(ContentRange::Satisfied { first, last, total }));
    }
    if let Some(tag) = ETag::parse(&text) {
        assert_eq!(ETag::parse(&tag.to_string()), Some(tag.clone()));
        assert!(tag.to_string().parse::<HeaderValue>().is_ok());
    }
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        headers.append(header::CONTENT_LENGTH, value);
    }
    if let Ok(Some(length)) = content_length(&headers) {
        headers.append(header::CONTENT_LENGTH, HeaderValue::from(length));
        assert_eq!(content_length(&headers), Ok(Some(length)));
    }
}

/// No wait is longer than the maximum, and a date is read as it was written.
pub fn retry_after(data: &[u8]) {
    const MAX: Duration = Duration::from_secs(3600);
    let text = String::from_utf8_lossy(data);
    for now in [UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(1 << 40)] {
        assert!(retry_after::parse(&text, now, MAX).is_none_or(|wait| wait <= MAX));
    }
    if let Some(moment) = http_date::parse(&text) {
        let written = http_date::format(moment);
        assert_eq!(written.as_deref().and_then(http_date::parse), Some(moment), "{written:?}");
    }
}

/// Cookies can be put in a header, none is lost on the way to the store, and the lines that are none exist.
pub fn cookies(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let cookies = CookiesTxt::parse(&text);
    assert!(cookies.rubbish.iter().all(|&line| (1..=text.lines().count()).contains(&line)));
    for entry in &cookies.entries {
        assert!(entry.path.starts_with('/') && !entry.domain.is_empty());
        assert!(HeaderValue::from_str(&format!("{}={}", entry.name, entry.value)).is_ok());
        let mut alone = CookiesTxt::default();
        alone.entries.push(entry.clone());
        let store = alone.into_store(UNIX_EPOCH);
        assert_eq!(store.iter_any().count(), 1, "{entry:?} was lost");
    }
    cookies.into_store(UNIX_EPOCH);
}

/// Looking up a machine of the file or another never fails, and a login is never empty.
pub fn netrc(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(netrc) = Netrc::parse(&text) else { return };
    for host in text.split_ascii_whitespace().chain(["other.example"]) {
        if let Some(login) = netrc.lookup(host) {
            assert!(!login.user.is_empty() || !login.password.is_empty());
        }
    }
}

/// Headers are lines of `Name: value`, the first of which is the status.
pub fn digest_headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&b| b == b'\n').take(100) {
        let mut halves = line.splitn(2, |&b| b == b':');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    for status in [StatusCode::OK, StatusCode::PARTIAL_CONTENT] {
        for found in digest_headers::server_digests(&headers, status) {
            assert!(headers.contains_key(found.header));
            assert_eq!(found.digest.as_bytes().len(), found.digest.algorithm().digest_len());
        }
    }
}

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    #[test]
    fn content_disposition() {
        Target::new("content_disposition", super::content_disposition).holds();
    }

    #[test]
    fn content_range() {
        Target::new("content_range", super::content_range).holds();
    }

    #[test]
    fn retry_after() {
        Target::new("retry_after", super::retry_after).holds();
    }

    #[test]
    fn cookies() {
        Target::new("cookies", super::cookies).holds();
    }

    #[test]
    fn netrc() {
        Target::new("netrc", super::netrc).holds();
    }

    #[test]
    fn digest_headers() {
        Target::new("digest_headers", super::digest_headers).holds();
    }
}
