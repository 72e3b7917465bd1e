//! What must hold of each parser for every input.
//!
//! One function per parser, from raw bytes; it panics if the property does not hold. The fuzz targets
//! call these same functions (the fuzz crate includes this file), and the tests at the end run them over
//! the seeds of the targets and over random bytes, so that CI needs no nightly compiler for that.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};

use crate::parse::aria2_control::ControlFile;
use crate::parse::checksum_file::ChecksumFile;
use crate::parse::content_length::content_length;
use crate::parse::content_range::ContentRange;
use crate::parse::cookies_txt::CookiesTxt;
use crate::parse::etag::ETag;
use crate::parse::file_name::FileName;
use crate::parse::netrc::Netrc;
use crate::parse::{content_disposition, digest_headers, http_date, retry_after, size};

/// A proposed name is safe once cleaned, and cleaning it again changes nothing.
pub fn content_disposition(data: &[u8]) {
    if let Some(raw) = content_disposition::file_name(data) {
        assert!(!raw.is_empty());
        file_name(&raw);
    }
    file_name(&String::from_utf8_lossy(data));
}

fn file_name(raw: &str) {
    let Some(name) = FileName::clean(raw) else { return };
    let text = name.as_str();
    assert!(!text.is_empty() && text.len() <= 255 - ".piton".len());
    assert!(!text.contains(['/', '\\', '\0', '\n', '\u{202e}']));
    assert!(!text.starts_with(['.', '-', ' ']) && !text.ends_with(['.', ' ']));
    let lower = text.to_ascii_lowercase();
    assert!(!lower.ends_with(".part") && !lower.ends_with(".piton"), "{text:?}");
    assert_eq!(FileName::clean(text).as_ref(), Some(&name));
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

/// No wait is longer than the maximum, and a date is read as it was written. Sizes and durations, which
/// are numbers in text too, ride along.
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
    if let Ok(bytes) = size::parse_size(&text) {
        assert_eq!(size::parse_size(&bytes.to_string()), Ok(bytes));
    }
    if let Ok(duration) = size::parse_duration(&text) {
        let millis = format!("{}ms", duration.as_millis());
        assert_eq!(
            size::parse_duration(&millis).map(|d| d.as_millis()),
            Ok(duration.as_millis()),
            "{millis}"
        );
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

/// A digest that is found has the length of its algorithm, whatever name and hint.
pub fn checksum_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for hint in ["SHA256SUMS", "B3SUMS", "B2SUMS"] {
        let Ok(file) = ChecksumFile::parse(data, hint) else { continue };
        for name in text.split_ascii_whitespace().chain(["a"]) {
            if let Some(digest) = file.lookup(name) {
                assert_eq!(digest.as_bytes().len(), digest.algorithm().digest_len());
                assert_eq!(format!("{digest:?}").parse().as_ref(), Ok(&digest));
            }
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

/// What a control file claims lies within the file, in order, and says each byte once.
pub fn aria2_control(data: &[u8]) {
    let Ok(control) = ControlFile::parse(data) else { return };
    let mut end = None;
    for claim in control.claims() {
        assert!(claim.start < claim.end && claim.end <= control.total(), "{claim:?}");
        assert!(end.is_none_or(|end| end < claim.start), "{claim:?} after {end:?}");
        end = Some(claim.end);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    type Property = fn(&[u8]);

    const PROPERTIES: [(&str, Property); 8] = [
        ("content_disposition", super::content_disposition),
        ("content_range", super::content_range),
        ("retry_after", super::retry_after),
        ("cookies", super::cookies),
        ("netrc", super::netrc),
        ("checksum_file", super::checksum_file),
        ("digest_headers", super::digest_headers),
        ("aria2_control", super::aria2_control),
    ];

    static SEEDS: LazyLock<Vec<Vec<Vec<u8>>>> =
        LazyLock::new(|| PROPERTIES.iter().map(|(target, _)| seeds(target)).collect());

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let mut seeds: Vec<Vec<u8>> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        seeds
    }

    /// Every seed whole, cut at each byte, and with each byte changed.
    #[test]
    fn hold_for_the_seeds_and_their_neighbours() {
        for ((_, property), seeds) in PROPERTIES.iter().zip(SEEDS.iter()) {
            for seed in seeds {
                property(seed);
                for at in 0..seed.len() {
                    property(&seed[..at]);
                    for byte in [0, b' ', b'"', b'%', b'\\', seed[at] ^ 1, 0xff] {
                        let mut changed = seed.clone();
                        changed[at] = byte;
                        property(&changed);
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Random bytes, and random pieces of two seeds with random bytes between them.
        #[test]
        fn hold_for_random_input(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            picks in any::<[prop::sample::Index; 2]>(),
            cuts in any::<[prop::sample::Index; 2]>(),
        ) {
            for ((_, property), seeds) in PROPERTIES.iter().zip(SEEDS.iter()) {
                property(&noise);
                let (head, tail) = (picks[0].get(seeds), picks[1].get(seeds));
                let head = &head[..cuts[0].index(head.len() + 1)];
                let tail = &tail[cuts[1].index(tail.len() + 1)..];
                let middle = &noise[..noise.len().min(8)];
                property(&[head, middle, tail].concat());
            }
        }
    }
}
