//! One entry of a list, whatever format it came in.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue, header};
use piton_fetch::digest::{Digest, Pieces};
use url::Url;

/// What one entry of a list asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where the entry stands in its list, counted from 1, for messages; no part of its identity.
    pub line: u64,
    /// Where the resource is; at least one, all of the same file, best first.
    pub addresses: Vec<Address>,
    /// The name wanted, with folders (`a/b.bin`), as the list gives it: not yet cleaned.
    pub out: Option<String>,
    /// The folder wanted, as the list gives it: not yet checked.
    pub dir: Option<PathBuf>,
    /// The length in bytes that the resource must have.
    pub size: Option<u64>,
    /// Digests that the whole must have; at most one by each algorithm.
    pub digests: Vec<Digest>,
    /// Digests of its pieces; as many as a file of `size` has, where that is known.
    pub pieces: Option<Pieces>,
    /// Headers to send with each request for it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// One place that has the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Where.
    pub url: Url,
    /// Preference: 1 is tried first (RFC 5854 section 4.2.16.1).
    pub priority: u32,
}

impl Address {
    /// The priority where the list says nothing: the last of all.
    pub const UNRANKED: u32 = 999_999;
}

/// Whether a header says who asks, and not what for.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE].contains(name)
}
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An item of which only the address is known.
    pub(crate) fn item(url: &str) -> Item {
        Item {
            line: 1,
            addresses: vec![Address { url: Url::parse(url).unwrap(), priority: 1 }],
            out: None,
            dir: None,
            size: None,
            digests: Vec::new(),
            pieces: None,
            headers: Vec::new(),
        }
    }
}
