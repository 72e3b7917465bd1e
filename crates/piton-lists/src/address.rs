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
    #[error("it is no address: {0}")]
    Malformed(url::ParseError),
    /// It is relative, and the list has no base.
    #[error("it is no full address (http://…), and there is no base address to complete it")]
    Relative,
    /// Its scheme is not one of [`SCHEMES`].
    #[error("addresses with {scheme}: are not fetched, only http and https")]
    Scheme {
        /// The scheme, in lower case, at most 40 characters of it.
        scheme: String,
    },
    /// It has a control character in it, such as NUL.
    #[error("it has a control character in it")]
    Control,
}

/// Reads an address. Blanks in it are taken for `%20`, as browsers do.
///
/// # Errors
/// [`AddressError`].
pub fn parse(text: &str, base: Option<&Base>) -> Result<Url, AddressError> {
    // Without a way out in its middle, this is done many bytes at a time.
    if text.bytes().fold(false, |found, byte| found | byte.is_ascii_control()) {
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

fn checked(url: Url) -> Result<Url, AddressError> {
    if SCHEMES.contains(&url.scheme()) {
        return Ok(url);
    }
    Err(AddressError::Scheme { scheme: url.scheme().chars().take(40).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

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
