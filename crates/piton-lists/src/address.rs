//! Addresses as lists give them: which schemes are taken, and what a relative one is relative to.

use std::str::FromStr;

use url::Url;

/// The schemes that items may have.
pub const SCHEMES: [&str; 2] = ["http", "https"];

/// What relative addresses of a list are resolved against (RFC 3986 section 5); itself absolute and of one
/// of [`SCHEMES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Url);

impl Base {
    /// A base address.
    ///
    /// # Errors
    /// [`AddressError::Scheme`] if its scheme is not one of [`SCHEMES`].
    pub fn new(url: Url) -> Result<Base, AddressError> {
        checked(url).map(Base)
    }

    /// The address.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Base {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Base, AddressError> {
        parse(text.trim(), None).map(Base)
    }
}

/// Why a text is no address of an item. The list is at fault, and trying again is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is not written as addresses are.
    #[error("not a URL: {0}")]
    Malformed(url::ParseError),
    /// It is relative, and the list has no base.
    #[error("not an absolute URL (http://…), and there is no base URL to complete it")]
    Relative,
    /// Its scheme is not one of [`SCHEMES`].
    #[error("{scheme}: URLs are not supported in a list, only http and https")]
    Scheme {
        /// The scheme, in lower case, at most 40 characters of it.
        scheme: String,
    },
    /// It has a control character in it, such as NUL.
    #[error("it contains a control character")]
    Control,
}

/// Reads an address. Blanks in it are taken for `%20`, as browsers do.
///
/// # Errors
/// [`AddressError`].
pub fn parse(text: &str, base: Option<&Base>) -> Result<Url, AddressError> {
    if has_control(text) {
        return Err(AddressError::Control);
    }
    match (Url::parse(text), base) {
        (Ok(url), _) => checked(url),
        (Err(url::ParseError::RelativeUrlWithoutBase), Some(Base(base))) => {
            base.join(text).map_err(AddressError::Malformed).and_then(checked)
        }
        (Err(url::ParseError::RelativeUrlWithoutBase), None) => Err(AddressError::Relative),
        (Err(error), _) => Err(AddressError::Malformed(error)),
    }
}

/// Reads the addresses of one list. Many in a row are usually on one host, and what was found of the host
/// of the last address serves the next: a quarter of the work on a plain list.
#[derive(Debug)]
pub(crate) struct Addresses {
    base: Option<Base>,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    /// Scheme, login, host and port as they were written: all before the path.
    written: String,
    url: Url,
}

impl Addresses {
    pub(crate) fn new(base: Option<Base>) -> Addresses {
        Addresses { base, last: None }
    }

    /// As [`parse`].
    pub(crate) fn parse(&mut self, text: &str) -> Result<Url, AddressError> {
        if let Some(last) = &self.last
            && let Some(path) = text.strip_prefix(&last.written)
            && is_path(path)
            && !has_control(path)
        {
            return last.url.join(path).map_err(AddressError::Malformed);
        }
        let url = parse(text, self.base.as_ref())?;
        if let Some(written) = before_path(text) {
            self.last = Some(Last { written: written.to_owned(), url: url.clone() });
        }
        Ok(url)
    }
}

/// A path from the root, not the beginning of another host.
fn is_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'))
}

/// What stands before the path of a full address that names its host in the usual way.
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

fn checked(url: Url) -> Result<Url, AddressError> {
    if SCHEMES.contains(&url.scheme()) {
        return Ok(url);
    }
    Err(AddressError::Scheme { scheme: url.scheme().chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever came before, an address is the one that it is alone.
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
                let mut addresses = Addresses::new(base.clone());
                for part in &parts {
                    let text = format!("{start}{}", part.concat());
                    prop_assert_eq!(addresses.parse(&text), parse(&text, base.as_ref()), "{}", text);
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
                false => assert_eq!(alone, Err(AddressError::Relative), "{text}"),
            }
        }
    }

    #[test]
    fn what_is_no_address_of_an_item() {
        for scheme in ["ftp", "file", "magnet", "data", "c"] {
            let error = AddressError::Scheme { scheme: scheme.to_owned() };
            assert_eq!(parse(&format!("{scheme}:/x"), None), Err(error));
        }
        for text in ["http://", "http://h:99999/", "http://[::1/"] {
            assert!(matches!(parse(text, None), Err(AddressError::Malformed(_))), "{text}");
        }
        for text in ["http://h/\0", "http://h/\tx", "http://h\n/", "\u{7f}"] {
            assert_eq!(parse(text, None), Err(AddressError::Control), "{text:?}");
        }
        assert!("ftp://h/".parse::<Base>().is_err());
    }
}
