//! Scheme, host and port: what a connection leads to and what a credential belongs to (RFC 6454).

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use crate::error::RemoteError;

/// Scheme, host and port of a server. Read from text as `[SCHEME://]HOST[:PORT]`; without a scheme it is
/// https, so that nobody sends a login in the clear by leaving something out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
}

impl Origin {
    /// The origin of a URL.
    ///
    /// # Errors
    /// It is neither http nor https, or names no host.
    pub fn of(url: &Url) -> Result<Origin, RemoteError> {
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(RemoteError::UnsupportedScheme { scheme: other.to_owned() }),
        };
        let host = url.host().map(|host| host.to_owned());
        match (host, url.port_or_known_default()) {
            (Some(host), Some(port)) if port != 0 => Ok(Origin { tls, host, port }),
            _ => Err(RemoteError::BadUrl { why: "it does not name a host" }),
        }
    }

    /// Whether a credential given for `self` may be shown to `other`: to the same origin, or to the same
    /// host after the usual redirect from plain http to https.
    pub(super) fn trusts(&self, other: &Origin) -> bool {
        let upgraded = !self.tls && other.tls && self.port == 80 && other.port == 443;
        self == other || (upgraded && self.host == other.host)
    }

    /// The host as in a `Host` header: with the port unless it is the scheme's own.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { self.to_string() }
    }
}

/// Why a text names no [`Origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a server: expected HOST, HOST:PORT or http://HOST:PORT")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Origin, OriginError> {
        let (scheme, authority) = text.split_once("://").unwrap_or(("https", text));
        // What the parser of URLs would skip, or take for something else than a host and its port.
        let is_strange = |c: char| c.is_whitespace() || c.is_control() || "/?#\\@%".contains(c);
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.is_empty() || authority.ends_with(':') || authority.contains(is_strange) {
            return Err(OriginError);
        }
        let url = Url::parse(&format!("{scheme}://{authority}/")).map_err(|_| OriginError)?;
        Origin::of(&url).map_err(|_| OriginError)
    }
}

impl Origin {
    /// As a URL without a path: what [`FromStr`] reads.
    pub fn to_url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// `host:port`, as messages name it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The host of `url` as messages name it: that of a `file:` URL is this machine.
pub fn host_of(url: &url::Url) -> String {
    match url.host_str() {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ if url.scheme() == "file" => THIS_MACHINE.to_owned(),
        _ => String::new(),
    }
}

/// How this machine is called where messages name a host.
pub(crate) const THIS_MACHINE: &str = "this machine";

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let here = origin("https://a.example/x");
        assert!(here.trusts(&origin("https://a.example:443/y")));
        for other in ["https://b.example/", "https://a.example:8443/", "http://a.example/"] {
            assert!(!here.trusts(&origin(other)), "{other}");
        }
        let plain = origin("http://a.example/");
        assert!(plain.trusts(&origin("https://a.example/")));
        for other in ["https://b.example/", "https://a.example:8443/", "http://a.example:8080/"] {
            assert!(!plain.trusts(&origin(other)), "{other}");
        }
    }

    #[test]
    fn origins_are_read_and_written() {
        for (text, url) in [
            ("a.example", "https://a.example"),
            ("A.example:8443", "https://a.example:8443"),
            ("a.example:443", "https://a.example"),
            ("http://a.example", "http://a.example"),
            ("https://a.example/", "https://a.example"),
            ("[::1]:80", "https://[::1]:80"),
        ] {
            let origin = text.parse::<Origin>().unwrap();
            assert_eq!(origin.to_url(), url);
            assert_eq!(origin.to_url().parse(), Ok(origin));
        }
        for wrong in [
            "",
            ":",
            "a:",
            "a:b",
            "a:0",
            "me@a",
            "a/b",
            "a?",
            "a b",
            "ftp://a",
            "http://",
            "a\\b",
            "a%41",
            "a\tb",
            "https://a/x",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_http_with_a_host() {
        for bad in ["ftp://a.example/", "file:///etc/passwd", "data:,x", "http://a.example:0/"] {
            assert!(Origin::of(&Url::parse(bad).unwrap()).is_err(), "{bad}");
        }
        assert_eq!(origin("http://[::1]:8080/").authority(), "[::1]:8080");
        assert_eq!(origin("https://a.example/").authority(), "a.example");
    }
}
