//! Entity tags (RFC 9110 section 8.8.3): the server's name for one version of a file.

use std::fmt;

use http::HeaderMap;
use http::header::ETAG;

/// An entity tag.
///
/// Shown as it is sent: `"opaque"`, or `W/"opaque"` for a weak one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ETag {
    weak: bool,
    opaque: String,
}

impl ETag {
    /// Longer tags are taken for none: one is kept in the journal and sent with every request.
    const MAX_LEN: usize = 1024;

    /// Parses the value of the header, also when the server forgot the quotes.
    ///
    /// `None` for an empty tag, which names no version, for one over 1024 bytes, and for one with
    /// characters that cannot be sent back in If-Range.
    pub(crate) fn parse(value: &str) -> Option<ETag> {
        let value = value.trim();
        let (weak, rest) = match value.strip_prefix("W/").or_else(|| value.strip_prefix("w/")) {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        let opaque = match rest.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => rest,
        };
        // A space is not allowed in a tag, but servers send it and it does no harm between quotes.
        let sendable = opaque.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x7e));
        let fits = (1..=Self::MAX_LEN).contains(&opaque.len());
        (sendable && fits).then(|| ETag { weak, opaque: opaque.to_owned() })
    }

    /// The entity tag of a message; `None` without one, with a useless one, or with several that differ.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<ETag> {
        let mut tags =
            headers.get_all(ETAG).iter().map(|value| value.to_str().ok().and_then(ETag::parse));
        let first = tags.next()??;
        tags.all(|tag| tag.as_ref() == Some(&first)).then_some(first)
    }

    /// Whether the tag changes with every byte of the file, so that ranges may be joined on its word
    /// (guarantee G4). A weak one only says that the versions serve the same purpose.
    pub(crate) fn strong(&self) -> bool {
        !self.weak
    }

    /// The tag without quotes and `W/`.
    pub(crate) fn opaque(&self) -> &str {
        &self.opaque
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.weak { "W/" } else { "" };
        write!(f, "{prefix}\"{}\"", self.opaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(value: &str) -> ETag {
        ETag::parse(value).unwrap()
    }

    #[test]
    fn forms() {
        assert_eq!(tag("\"abc\"").to_string(), "\"abc\"");
        assert_eq!(tag("W/\"abc\"").to_string(), "W/\"abc\"");
        assert_eq!(tag("w/\"abc\"").to_string(), "W/\"abc\"");
        assert_eq!(tag(" abc-1 ").to_string(), "\"abc-1\"");
        assert_eq!(tag("W/abc").to_string(), "W/\"abc\"");
        assert_eq!(tag("\"a b\\\"").opaque(), "a b\\");
        assert!(tag("\"abc\"").strong());
        assert!(!tag("W/\"abc\"").strong());
    }

    #[test]
    fn useless_tags_are_none() {
        for useless in
            ["", "\"\"", "W/", "W/\"\"", "\"", "\"abc", "abc\"", "a\"b", "\"a\u{7f}\"", "é"]
        {
            assert_eq!(ETag::parse(useless), None, "{useless}");
        }
        assert!(ETag::parse(&"a".repeat(1024)).is_some());
        assert!(ETag::parse(&"a".repeat(1025)).is_none());
    }

    #[test]
    fn several_must_agree() {
        let mut headers = HeaderMap::new();
        assert_eq!(ETag::from_headers(&headers), None);
        headers.append(ETAG, "\"1\"".parse().unwrap());
        headers.append(ETAG, "\"1\"".parse().unwrap());
        assert_eq!(ETag::from_headers(&headers), Some(tag("\"1\"")));
        headers.append(ETAG, "\"2\"".parse().unwrap());
        assert_eq!(ETag::from_headers(&headers), None);
    }
}
