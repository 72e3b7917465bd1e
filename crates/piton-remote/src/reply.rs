//! What comes out of an exchange.

use std::fmt;
use std::time::SystemTime;

use ::http::{HeaderMap, StatusCode, header};
use piton_checkpoint::Identity;
use url::Url;

use crate::body::Body;
use crate::digest::Digest;
use crate::file;
use crate::http::parse::{content_disposition, digest_headers, http_date};

/// An answer, after redirects, with its body still to be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// What it says of the resource.
    pub head: Head,
    /// What the body is.
    pub holds: Holds,
    /// The body. Give it back to its connection with [`Body::finish`].
    pub body: Body,
}

/// What the body of an answer is, checked against the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// All, from byte 0, whatever was asked for.
    Whole,
    /// The bytes from `first`, which was asked for, up to `end`, which is not among them.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// One past the last byte.
        end: u64,
    },
    /// No byte: the resource is not newer than was asked for.
    NotNewer,
    /// No byte: the range lies outside of the resource, which has this length if the server says it.
    OutOfRange {
        /// Length of the whole.
        size: Option<u64>,
    },
}

/// What an answer says of the resource.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Head {
    /// Which version it is, with the length of the whole.
    pub identity: Identity,
    /// In which coding the body is, where it is not as it is stored.
    pub encoding: Option<String>,
    /// The URL that answered, without a login.
    pub url: Url,
    /// Whether `url` is another than was asked for.
    pub redirected: bool,
    /// What was spoken.
    pub protocol: Protocol,
    pub(crate) fields: Fields,
}

/// What else a head says, as its protocol has it; read when somebody asks.
#[derive(Debug, Clone)]
pub(crate) enum Fields {
    Http { headers: HeaderMap, status: StatusCode },
    File,
}

/// What was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// Nothing: the file is on this machine.
    File,
}

/// A digest that the server gave along with the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerDigest {
    /// Where it said so, such as the name of a header.
    pub named_by: String,
    /// Of the whole.
    pub digest: Digest,
}

impl Head {
    /// The name that the server proposes, as it wrote it: not safe to use before it is cleaned.
    pub fn file_name(&self) -> Option<String> {
        let Fields::Http { headers, .. } = &self.fields else { return None };
        content_disposition::file_name(headers.get(header::CONTENT_DISPOSITION)?.as_bytes())
    }

    /// The media type that the server says, with its parameters.
    pub fn media_type(&self) -> Option<&str> {
        let Fields::Http { headers, .. } = &self.fields else { return None };
        headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The digests of the whole that the server sent along.
    pub fn digests(&self) -> Vec<ServerDigest> {
        match &self.fields {
            Fields::Http { headers, status } => digest_headers::of_the_whole(headers, *status),
            Fields::File => Vec::new(),
        }
    }
}

impl Protocol {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When this version was modified, if its source says so in a way that can be understood.
pub fn modified(identity: &Identity) -> Option<SystemTime> {
    match &identity.last_modified {
        Some(text) => http_date::parse(text),
        None => file::modified_of(&identity.etag.as_ref()?.tag),
    }
}
