//! URLs as lists give them: which schemes are accepted, and what a relative URL is relative to.

use std::str::FromStr;

use url::Url;

/// The schemes that items may have.
pub const SCHEMES: [&str; 2] = ["http", "https"];

/// The base for relative URLs in a list (RFC 3986 section 5); itself absolute, with one of [`SCHEMES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Url);

impl Base {
    /// A base URL.
    ///
    /// # Errors
    /// [`UrlError::Scheme`] if its scheme is not one of [`SCHEMES`].
    pub fn new(url: Url) -> Result<Base, UrlError> {
        checked(url).map(Base)
    }

    /// The URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Base {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Base, UrlError> {
        parse(text.trim(), None).map(Base)
    }
}

/// Why a text is not a valid URL of an item. The list is at fault; retrying does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not a well-formed URL.
    #[error("not a URL: {0}")]
    Malformed(url::ParseError),
    /// It is relative, and the list has no base.
    #[error("not an absolute URL (http://…), and there is no base URL to complete it")]
    Relative,
    /// Its scheme is not one of [`SCHEMES`].
    #[error("{scheme}: URLs are not supported in a list, only http and https")]
    Scheme {
        /// The scheme, in lower case, at most 40 characters.
        scheme: String,
    },
    /// It contains a control character, such as NUL.
    #[error("it contains a control character")]
    Control,
}

/// Parses a URL. Spaces in it become `%20`, as in browsers.
///
/// # Errors
/// [`UrlError`].
pub fn parse(text: &str, base: Option<&Base>) -> Result<Url, UrlError> {
    if has_control(text) {
        return Err(UrlError::Control);
    }
    match (Url::parse(text), base) {
        (Ok(url), _) => checked(url),
        (Err(url::ParseError::RelativeUrlWithoutBase), Some(Base(base))) => {
            base.join(text).map_err(UrlError::Malformed).and_then(checked)
        }
        (Err(url::ParseError::RelativeUrlWithoutBase), None) => Err(UrlError::Relative),
        (Err(error), _) => Err(UrlError::Malformed(error)),
    }
}

/// Parses the URLs of one list. Many URLs in a row are usually on the same host, so what was parsed of the
/// host of the last URL is reused for the next: a quarter of the work on a plain list.
#[derive(Debug)]
pub(crate) struct UrlParser {
    base: Option<Base>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    /// Scheme, login, host and port as they were written: everything before the path.
    written: String,
    url: Url,
}

impl UrlParser {
    pub(crate) fn new(base: Option<Base>) -> UrlParser {
        UrlParser { base, last: None }
    }

    /// As [`parse`].
    pub(crate) fn parse(&mut self, text: &str) -> Result<Url, UrlError> {
        if let Some(last) = &self.last
            && let Some(path) = text.strip_prefix(&last.written)
            && is_path(path)
            && !has_control(path)
        {
            return last.url.join(path).map_err(UrlError::Malformed);
        }
        let url = parse(text, self.base.as_ref())?;
        if let Some(written) = before_path(text) {
            self.last = Some(Last { written: written.to_owned(), url: url.clone() });
        }
        Ok(url)
    }
}

/// A path from the root, not the start of another host.
fn is_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'))
}

/// The part before the path of an absolute URL that names its host in the usual way.
fn before_path(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let end = rest.find(['/', '\\', '?', '#']).filter(|end| *end > 0)?;
    let before = scheme.len().checked_add("://".len())?.checked_add(end)?;
    is_scheme.then(|| text.get(..before))?
}

fn has_control(text: &str) -> bool {
    // Without a way out in its middle, this is done many bytes at a time.
    text.bytes().fold(false, |found, byte| found | byte.is_ascii_control())
}

fn checked(url: Url) -> Result<Url, UrlError> {
    if SCHEMES.contains(&url.scheme()) {
        return Ok(url);
    }
    Err(UrlError::Scheme { scheme: url.scheme().chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// A URL means the same whatever came before it.
        #[test]
        fn an_address_does_not_depend_on_the_last_one(
            parts in proptest::collection::vec(
                proptest::collection::vec(
                    prop::sample::select(vec![
                        "http://", "HTTPS://", "http:", "u:p@", "h", "H.example", ":80", "[::1]", "/", "/",
                        "\\", "..", ".", "a", "?", "#", "%2e", "@", " ", "é", "\t", ":", "//",
                    ]),
                    0..7,
                ),
                1..5,
            ),
            start in prop::sample::select(vec!["", "http://h", "http://u@h/", "http:///h"]),
        ) {
            let base: Base = "https://base.example/dir/list?q".parse().unwrap();
            for base in [None, Some(base)] {
                let mut urls = UrlParser::new(base.clone());
                for part in &parts {
                    let text = format!("{start}{}", part.concat());
                    prop_assert_eq!(urls.parse(&text), parse(&text, base.as_ref()), "{}", text);
                }
            }
        }
    }

    #[test]
    fn only_full_addresses_unless_there_is_a_base() {
        let base: Base = " https://h.example/d/list ".parse().unwrap();
        for (text, with_base) in [
            ("http://h/x", "http://h/x"),
            ("HTTPS://H/a b", "https://h/a%20b"),
            ("../up", "https://h.example/up"),
            ("/top?q", "https://h.example/top?q"),
            ("//other/x", "https://other/x"),
            ("é", "https://h.example/d/%C3%A9"),
        ] {
            assert_eq!(parse(text, Some(&base)).unwrap().as_str(), with_base);
            let alone = parse(text, None);
            match text.contains(':') {
                true => assert_eq!(alone.unwrap().as_str(), with_base),
                false => assert_eq!(alone, Err(UrlError::Relative), "{text}"),
            }
        }
    }

    #[test]
    fn what_is_no_address_of_an_item() {
        for scheme in ["ftp", "file", "magnet", "data", "c"] {
            let error = UrlError::Scheme { scheme: scheme.to_owned() };
            assert_eq!(parse(&format!("{scheme}:/x"), None), Err(error));
        }
        for text in ["http://", "http://h:99999/", "http://[::1/"] {
            assert!(matches!(parse(text, None), Err(UrlError::Malformed(_))), "{text}");
        }
        for text in ["http://h/\0", "http://h/\tx", "http://h\n/", "\u{7f}"] {
            assert_eq!(parse(text, None), Err(UrlError::Control), "{text:?}");
        }
        assert!("ftp://h/".parse::<Base>().is_err());
    }
}
