//! The digests that a server sends along with a file.
//!
//! All of them speak of bytes as they travel, any Content-Encoding included: Repr-Digest and Digest are
//! defined over the selected representation, which is the encoded one (RFC 9530 section 3.1, RFC 3230
//! section 4.1.1), Content-Digest and Content-MD5 over the content. Since piton stores a body as it
//! comes, encoded or not, a digest here is compared with the stored bytes in every case. The exception
//! is x-goog-hash, which speaks of the object as it is stored there; see [`server_digests`].

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, StatusCode};

use crate::digest::{Algorithm, Digest};

/// A digest that a server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct ServerDigest {
    /// The digest.
    pub(crate) digest: Digest,
    /// Of which bytes it is the digest.
    pub(crate) covers: Covers,
    /// The header it came in, for messages.
    pub(crate) header: &'static str,
}

/// What a [`ServerDigest`] is the digest of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub(crate) enum Covers {
    /// The whole file, also when the message is a 206 with a part of it.
    Representation,
    /// The content of this message: with a 206 only the part that it carries, with a 200 all.
    Content,
}

/// The digests that speak of the whole, of whatever the message carries of it.
pub(crate) fn of_the_whole(headers: &HeaderMap, status: StatusCode) -> Vec<crate::ServerDigest> {
    let mut said = server_digests(headers, status);
    // What covers only the content speaks of the whole when the content is the whole.
    said.retain(|said| said.covers == Covers::Representation || status == StatusCode::OK);
    let named = |said: ServerDigest| crate::ServerDigest {
        named_by: said.header.to_owned(),
        digest: said.digest,
    };
    said.into_iter().map(named).collect()
}

/// The digests in the headers of a 200 or 206, in no order of strength. An ETag is not a digest.
///
/// | header | covers | format |
/// |---|---|---|
/// | Repr-Digest | representation | RFC 9530 |
/// | Content-Digest | content | RFC 9530 |
/// | Digest | representation | RFC 3230 |
/// | Content-MD5 | content | RFC 1864 |
/// | x-goog-hash | representation | `crc32c=…,md5=…` in base64 |
/// | x-amz-checksum-* | representation | base64 |
///
/// Unknown algorithms, values of a wrong length and rubbish are left out: a digest that cannot be
/// checked is none. So are: the checksums of a multipart upload's parts (`…-N`, or
/// `x-amz-checksum-type: COMPOSITE`), any x-amz-checksum on a 206, and an x-goog-hash where the object
/// is stored compressed and was unpacked on its way here.
pub(crate) fn server_digests(headers: &HeaderMap, status: StatusCode) -> Vec<ServerDigest> {
    let mut found = Found(Vec::new());
    found.dictionary(headers, "Repr-Digest", Covers::Representation);
    found.dictionary(headers, "Content-Digest", Covers::Content);
    found.pairs(headers, "Digest", rfc3230);
    found.content_md5(headers);
    if !unpacked_by_google(headers) {
        found.pairs(headers, "x-goog-hash", goog);
    }
    if status == StatusCode::OK {
        found.amz(headers);
    }
    found.0
}

struct Found(Vec<ServerDigest>);

impl Found {
    /// Of two digests by one algorithm in one header the last counts, as RFC 9651 has it for
    /// dictionaries; so there are few, however many a server sends.
    fn push(&mut self, digest: Digest, covers: Covers, header: &'static str) {
        self.remove(digest.algorithm(), header);
        self.0.push(ServerDigest { digest, covers, header });
    }

    fn remove(&mut self, algorithm: Algorithm, header: &str) {
        self.0.retain(|other| other.digest.algorithm() != algorithm || other.header != header);
    }

    /// A Dictionary of Byte Sequences (RFC 9651).
    fn dictionary(&mut self, headers: &HeaderMap, header: &'static str, covers: Covers) {
        let lines = joined(headers, header);
        for (key, value) in Members(&lines) {
            let Some(algorithm) = algorithm_of_rfcs(key) else { continue };
            let digest = value
                .strip_prefix(':')
                .and_then(|value| value.split_once(':'))
                .and_then(|(encoded, _parameters)| from_base64(algorithm, encoded));
            match digest {
                Some(digest) => self.push(digest, covers, header),
                None => self.remove(algorithm, header),
            }
        }
    }

    /// `name=value, name=value` as in Digest and x-goog-hash.
    fn pairs(
        &mut self,
        headers: &HeaderMap,
        header: &'static str,
        read: fn(&str, &str) -> Option<Digest>,
    ) {
        let lines = joined(headers, header);
        for pair in lines.split(',') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            if let Some(digest) = read(name.trim(), value.trim()) {
                self.push(digest, Covers::Representation, header);
            }
        }
    }

    fn content_md5(&mut self, headers: &HeaderMap) {
        let lines = joined(headers, "Content-MD5");
        if let Some(digest) = from_base64(Algorithm::Md5, lines.trim()) {
            self.push(digest, Covers::Content, "Content-MD5");
        }
    }

    fn amz(&mut self, headers: &HeaderMap) {
        let kind = joined(headers, "x-amz-checksum-type");
        if kind.trim().eq_ignore_ascii_case("COMPOSITE") {
            return;
        }
        for (header, algorithm) in [
            ("x-amz-checksum-crc32", Algorithm::Crc32),
            ("x-amz-checksum-crc32c", Algorithm::Crc32c),
            ("x-amz-checksum-crc64nvme", Algorithm::Crc64Nvme),
            ("x-amz-checksum-sha1", Algorithm::Sha1),
            ("x-amz-checksum-sha256", Algorithm::Sha256),
        ] {
            // The `-N` of a composite checksum is no base64, so it falls out here.
            let value = joined(headers, header);
            if let Some(digest) = from_base64(algorithm, value.trim()) {
                self.push(digest, Covers::Representation, header);
            }
        }
    }
}

/// The members of a dictionary as they are written; commas within strings do not separate them.
struct Members<'a>(&'a str);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut quoted = false;
        let mut escaped = false;
        let end = self.0.find(|c: char| {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ => {}
            }
            c == ',' && !quoted
        });
        let (member, rest) = match end {
            Some(end) => self.0.split_at_checked(end)?,
            None => (self.0, ""),
        };
        self.0 = rest.strip_prefix(',').unwrap_or("");
        Some(member.split_once('=').map_or((member.trim(), ""), |(k, v)| (k.trim(), v.trim())))
    }
}

/// The instance digests of RFC 3230: base64, but hex for CRC-32C (RFC 5843).
fn rfc3230(name: &str, value: &str) -> Option<Digest> {
    let value = value.split(';').next().unwrap_or(value).trim();
    match algorithm_of_rfcs(name)? {
        Algorithm::Crc32c if value.len() == 8 && !value.ends_with('=') => {
            Digest::from_hex(Algorithm::Crc32c, value).ok()
        }
        algorithm => from_base64(algorithm, value),
    }
}

fn goog(name: &str, value: &str) -> Option<Digest> {
    let algorithm = match name {
        "crc32c" => Algorithm::Crc32c,
        "md5" => Algorithm::Md5,
        _ => return None,
    };
    from_base64(algorithm, value)
}

/// The names that RFC 3230, RFC 5843 and RFC 9530 share. `SHA` is SHA-1 there.
fn algorithm_of_rfcs(name: &str) -> Option<Algorithm> {
    match name.to_ascii_lowercase().as_str() {
        "sha-512" => Some(Algorithm::Sha512),
        "sha-256" => Some(Algorithm::Sha256),
        "sha" => Some(Algorithm::Sha1),
        "md5" => Some(Algorithm::Md5),
        "crc32c" => Some(Algorithm::Crc32c),
        _ => None,
    }
}

/// Google Storage unpacks an object that is stored gzipped for clients that ask for `identity`, as piton
/// does, and still sends the hash of the packed one.
fn unpacked_by_google(headers: &HeaderMap) -> bool {
    let identity = |name| {
        let value = joined(headers, name).trim().to_ascii_lowercase();
        if value == "identity" { String::new() } else { value }
    };
    identity("x-goog-stored-content-encoding") != identity("content-encoding")
        && headers.contains_key("x-goog-stored-content-encoding")
}

/// All lines of a header as one list (RFC 9110 section 5.3); lines that are not ASCII are left out.
fn joined<'a>(headers: &'a HeaderMap, name: &'static str) -> Cow<'a, str> {
    let mut lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    match (lines.next(), lines.next()) {
        (None, _) => Cow::Borrowed(""),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => {
            Cow::Owned([first, second].into_iter().chain(lines).collect::<Vec<_>>().join(","))
        }
    }
}

fn from_base64(algorithm: Algorithm, encoded: &str) -> Option<Digest> {
    // RFC 9651 section 4.2.7: neither missing padding nor stray bits in the last digit are an error.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    Digest::new(algorithm, &LENIENT.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const MD5_64: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";
    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const SHA256_64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn digests(status: u16, lines: &[(&'static str, &str)]) -> Vec<(String, Covers, &'static str)> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = name.to_ascii_lowercase().parse::<http::HeaderName>().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        server_digests(&headers, StatusCode::from_u16(status).unwrap())
            .into_iter()
            .map(|found| (format!("{:?}", found.digest), found.covers, found.header))
            .collect()
    }

    #[track_caller]
    fn one(lines: &[(&'static str, &str)], digest: &str, covers: Covers) {
        assert_eq!(digests(200, lines), [(digest.to_owned(), covers, lines[0].0)]);
    }

    #[track_caller]
    fn none(status: u16, lines: &[(&'static str, &str)]) {
        assert_eq!(digests(status, lines), []);
    }

    #[test]
    fn rfc_9530() {
        let sha256 = format!("sha256:{SHA256}");
        let field = format!("sha-256=:{SHA256_64}:");
        one(&[("Repr-Digest", &field)], &sha256, Covers::Representation);
        one(&[("Content-Digest", &field)], &sha256, Covers::Content);
        let crowd = format!(
            "a=1, b=\"x,\\\",sha-256=:AA==:\", unixsum=:AAA=:,, sha-256=:{SHA256_64}:;p=1 , c;d=(1 2)"
        );
        one(&[("Repr-Digest", &crowd)], &sha256, Covers::Representation);
        let unpadded = field.replace('=', "").replace("sha-256", "sha-256=");
        one(&[("Repr-Digest", &unpadded)], &sha256, Covers::Representation);
    }

    #[test]
    fn of_a_doubled_key_the_last_counts() {
        let other = format!("sha-256=:{}=:", "A".repeat(43));
        let field = format!("sha-256=:{SHA256_64}:");
        let sha256 = format!("sha256:{SHA256}");
        one(&[("Repr-Digest", &other), ("Repr-Digest", &field)], &sha256, Covers::Representation);
        none(200, &[("Repr-Digest", &field), ("Repr-Digest", "sha-256=:AA==:")]);
    }

    #[test]
    fn rfc_3230() {
        let both = format!("SHA-256={SHA256_64},unixsum=30637, MD5={MD5_64};q=1");
        assert_eq!(
            digests(206, &[("Digest", &both)]),
            [
                (format!("sha256:{SHA256}"), Covers::Representation, "Digest"),
                (format!("md5:{MD5}"), Covers::Representation, "Digest"),
            ]
        );
        one(
            &[("Digest", "SHA=2jmj7l5rSw0yVb/vlWAYkK/YBwk=")],
            "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
            Covers::Representation,
        );
        one(&[("Digest", "crc32c=0a72a4df")], "crc32c:0a72a4df", Covers::Representation);
        one(&[("Digest", "CRC32c=4waSgw==")], "crc32c:e3069283", Covers::Representation);
    }

    #[test]
    fn content_md5() {
        one(&[("Content-MD5", MD5_64)], &format!("md5:{MD5}"), Covers::Content);
        none(200, &[("Content-MD5", MD5)]);
        none(200, &[("Content-MD5", MD5_64), ("Content-MD5", MD5_64)]);
    }

    #[test]
    fn google() {
        let both = [
            ("crc32c:00000000".to_owned(), Covers::Representation, "x-goog-hash"),
            (format!("md5:{MD5}"), Covers::Representation, "x-goog-hash"),
        ];
        let md5 = format!("md5={MD5_64}");
        let lines = [("x-goog-hash", "crc32c=AAAAAA=="), ("x-goog-hash", md5.as_str())];
        assert_eq!(digests(206, &lines), both);
        let stored = |encoding| ("x-goog-stored-content-encoding", encoding);
        assert_eq!(digests(200, &[lines[0], lines[1], stored("identity")]), both);
        none(200, &[lines[0], stored("gzip")]);
        let packed = [lines[0], lines[1], stored("gzip"), ("content-encoding", "gzip")];
        assert_eq!(digests(200, &packed), both);
    }

    #[test]
    fn amazon() {
        let lines =
            [("x-amz-checksum-crc64nvme", "rosUhgp5mIg="), ("x-amz-checksum-type", "FULL_OBJECT")];
        one(&lines, "crc64nvme:ae8b14860a799888", Covers::Representation);
        none(206, &lines);
        none(200, &[lines[0], ("x-amz-checksum-type", "COMPOSITE")]);
        none(200, &[("x-amz-checksum-sha256", &format!("{SHA256_64}-3"))]);
        one(
            &[("x-amz-checksum-sha256", SHA256_64)],
            &format!("sha256:{SHA256}"),
            Covers::Representation,
        );
        one(&[("x-amz-checksum-crc32", "y/Q5Jg==")], "crc32:cbf43926", Covers::Representation);
        one(&[("x-amz-checksum-crc32c", "4waSgw==")], "crc32c:e3069283", Covers::Representation);
    }

    #[test]
    fn rubbish_and_etags_are_no_digests() {
        for header in ["Repr-Digest", "Content-Digest", "Digest", "Content-MD5", "x-goog-hash"] {
            for rubbish in
                ["", ",", "=", "md5", "md5=", "md5=:", "md5=::", "md5=:!:", "md5=AAAA", "é"]
            {
                none(200, &[(header, rubbish)]);
            }
        }
        none(200, &[("ETag", "\"d41d8cd98f00b204e9800998ecf8427e\"")]);
        none(200, &[]);
    }
}
