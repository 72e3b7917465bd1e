//! What a site serves under a path.

use std::sync::Arc;
use std::time::SystemTime;

use super::body::Body;
use super::date::http_date;
use super::digests::{self, DigestField};
use super::headers::Headers;

/// One version of one file, with the header fields that describe it.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The bytes.
    pub body: Body,
    /// The `ETag` as sent, with its quotes (and `W/`, when weak).
    pub etag: Option<String>,
    /// The `Last-Modified` as sent.
    pub last_modified: Option<String>,
    /// Further header fields, sent with 200, 206, 304 and answers to HEAD.
    pub headers: Headers,
    /// Fields that describe the content of a 200 and would be wrong in a 206.
    pub(super) whole_only: Headers,
}

impl Resource {
    /// A resource of these bytes, without validators.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::of(Body::Bytes(bytes.into()))
    }

    /// A resource of `len` bytes of pattern `seed`, without validators.
    pub fn pattern(seed: u64, len: u64) -> Self {
        Self::of(Body::Pattern { seed, len })
    }

    fn of(body: Body) -> Self {
        Self {
            body,
            etag: None,
            last_modified: None,
            headers: Headers::default(),
            whole_only: Headers::default(),
        }
    }

    /// Sends this `ETag`, quotes (and `W/`) included.
    pub fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }

    /// Sends this time as `Last-Modified`.
    pub fn last_modified(mut self, time: SystemTime) -> Self {
        self.last_modified = Some(http_date(time));
        self
    }

    /// Sends this text as `Last-Modified`, right or not.
    pub fn last_modified_text(mut self, text: &str) -> Self {
        self.last_modified = Some(text.to_owned());
        self
    }

    /// Sends a `Content-Type`.
    pub fn content_type(self, value: &str) -> Self {
        self.header("Content-Type", value)
    }

    /// Sends a `Content-Disposition`.
    pub fn content_disposition(self, value: &str) -> Self {
        self.header("Content-Disposition", value)
    }

    /// Sends one more header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Sends the digest of the body in `field`.
    pub fn digest(self, field: DigestField) -> Self {
        self.digest_field(field, true)
    }

    /// Sends a digest of something else in `field`.
    pub fn wrong_digest(self, field: DigestField) -> Self {
        self.digest_field(field, false)
    }

    /// The SHA-256 of the body in lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        digests::sha256_hex(&self.body)
    }

    fn digest_field(mut self, field: DigestField, right: bool) -> Self {
        let (name, value) = field.of(&self.body, right);
        let headers = if field.is_of_content() { &mut self.whole_only } else { &mut self.headers };
        headers.add(name, &value);
        self
    }
}
