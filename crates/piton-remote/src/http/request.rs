//! What goes into an exchange and what comes out of it.

use std::net::SocketAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use url::Url;

use super::body::Body;
use crate::ask::ByteRange;

/// A GET. `Accept-Encoding: identity` always goes with it, since ranges count the bytes as they are stored.
#[derive(Clone, Debug)]
pub struct Request {
    /// The address; a login in it (`http://user:password@host/`) is used and not kept.
    pub url: Url,
    /// Only these bytes, please.
    pub range: Option<ByteRange>,
    /// `If-Range`: the range only if this validator still holds, else the whole.
    pub if_range: Option<HeaderValue>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<HeaderValue>,
    /// Headers of this request alone. They replace the configuration's of the same name, and go to the origin
    /// of `url` before redirects only, whatever they are.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Request {
    /// The whole of `url`, on no condition.
    pub fn new(url: Url) -> Request {
        Request { url, range: None, if_range: None, if_modified_since: None, headers: Vec::new() }
    }
}

/// The final answer, after redirects, with its body still to be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The status. Every one but a redirect and a proxy's 407 is an answer, not an error.
    pub status: StatusCode,
    /// The HTTP version the server spoke.
    pub version: Version,
    /// The headers of the final answer.
    pub headers: HeaderMap,
    /// The URL that answered, without a login.
    pub url: Url,
    /// Whether `url` is another than was asked for.
    pub redirected: bool,
    /// The socket address that the connection leads to; the proxy's if there is one.
    pub peer: SocketAddr,
    /// The body. Give it back to its lane with [`Body::finish`].
    pub body: Body,
}
