//! One entry of a list, in whatever format.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, header};
use piton_fetch::digest::{Digest, Pieces};
use url::Url;

/// What one entry of a list requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The line of the entry in its list, counted from 1, for messages; not part of its identity.
    pub line: u64,
    /// The URLs of the resource; at least one, all of the same file, best first.
    pub urls: Vec<ItemUrl>,
    /// The requested name, with folders (`a/b.bin`), as the list gives it: not yet cleaned.
    pub out: Option<String>,
    /// The requested folder, as the list gives it: not yet checked.
    pub dir: Option<PathBuf>,
    /// The length in bytes that the resource must have.
    pub size: Option<u64>,
    /// Digests that the whole file must have; at most one per algorithm.
    pub digests: Vec<Digest>,
    /// Digests of its pieces; as many as a file of `size` has, if the size is known.
    pub pieces: Option<Pieces>,
    /// Headers to send with each request for it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// One URL of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemUrl {
    /// The URL.
    pub url: Url,
    /// Preference: 1 is tried first (RFC 5854 section 4.2.16.1).
    pub priority: u32,
}

impl ItemUrl {
    /// The priority if the list gives none: the last of all.
    pub const UNRANKED: u32 = 999_999;
}

/// Whether a header says who asks, and not what for.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(name)
}
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An item that has only a URL.
    pub(crate) fn item(url: &str) -> Item {
        Item {
            line: 1,
            urls: vec![ItemUrl { url: Url::parse(url).unwrap(), priority: 1 }],
            out: None,
            dir: None,
            size: None,
            digests: Vec::new(),
            pieces: None,
            headers: Vec::new(),
        }
    }
}
