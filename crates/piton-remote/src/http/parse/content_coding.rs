//! The Content-Encoding header (RFC 9110 section 8.4), and what is often written there instead.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// The codings that exist (the IANA registry, with the aliases of RFC 9110 section 8.4.1), and three that are
/// in use without being registered.
const CODINGS: [&str; 16] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "x-compress",
    "x-gzip",
    "zstd",
    "bzip2",
    "xz",
    "lzma",
    "x-bzip2",
];

/// How a body is coded, in the server's words; `None` where it is as it is stored.
///
/// Only a coding that exists says that the body is another one each time it is made. `identity`, an empty
/// value, the name of a character set, what an upload was framed in (`aws-chunked`) and anything else that is
/// none is passed over: the body is the file, and can be resumed like any other.
pub(crate) fn content_coding(headers: &HeaderMap) -> Option<String> {
    if !headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|coding| CODINGS.iter().any(|known| coding.eq_ignore_ascii_case(known)))
        .collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, value.parse().unwrap());
        }
        content_coding(&headers)
    }

    #[test]
    fn codings_and_what_is_none() {
        for none in ["", "none", "identity", "aws-chunked", "utf-8", "UTF-8", "binary", "null", ","]
        {
            assert_eq!(coding(&[none]), None, "{none:?}");
        }
        assert_eq!(coding(&[]), None);
        assert_eq!(coding(&["gzip"]).unwrap(), "gzip");
        assert_eq!(coding(&["GZip"]).unwrap(), "GZip");
        assert_eq!(coding(&["aws-chunked, br"]).unwrap(), "br");
        assert_eq!(coding(&["deflate", "identity", "zstd"]).unwrap(), "deflate, zstd");
    }
}
