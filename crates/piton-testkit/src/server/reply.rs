//! The right reply to a request, as a value that faults can spoil before it is sent.

use super::body::Body;
use super::headers::Headers;
use super::range::{Selection, select};
use super::request::Request;
use super::resource::Resource;

/// A reply that is not yet sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The header fields, `Content-Length` among them.
    pub headers: Headers,
    /// The body.
    pub payload: Payload,
    /// The length of the whole resource, where the reply is about one.
    pub total: Option<u64>,
    /// Whether the status line says HTTP/1.1; HTTP/1.0 otherwise.
    pub http_1_1: bool,
    /// Whether the connection is closed after the body.
    pub close: bool,
    /// Bytes to send in place of status line and header fields.
    pub raw_head: Option<Vec<u8>>,
}

/// The body of a reply.
#[derive(Clone, Debug)]
pub enum Payload {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `len` bytes of `body` from `start`.
    Slice {
        /// Of what.
        body: Body,
        /// First byte.
        start: u64,
        /// How many bytes.
        len: u64,
    },
}

impl Payload {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Slice { len, .. } => *len,
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The offset in the resource of the first byte.
    pub fn start(&self) -> u64 {
        match self {
            Self::Bytes(_) => 0,
            Self::Slice { start, .. } => *start,
        }
    }

    pub(super) fn read_at(&self, offset: u64, buf: &mut [u8]) {
        match self {
            Self::Bytes(bytes) => buf.copy_from_slice(&bytes[offset as usize..][..buf.len()]),
            Self::Slice { body, start, .. } => body.read_at(start + offset, buf),
        }
    }
}

impl Reply {
    /// A short text with a status, such as an error page.
    pub fn text(status: u16, text: &str) -> Self {
        let mut reply = Self::empty(status);
        reply.headers.set("Content-Type", "text/plain");
        reply.set_payload(Payload::Bytes(text.as_bytes().to_vec()));
        reply
    }

    /// The reply that the standard asks for.
    pub fn right(request: &Request, resource: &Resource) -> Self {
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Self::text(405, "only GET and HEAD\n");
        }
        let total = resource.body.len();
        let selection = select(request, resource);
        let mut reply = match selection {
            Selection::NotModified => Self::empty(304),
            Selection::Whole => Self::slice(200, resource, 0, total),
            Selection::Part { start, len } => Self::slice(206, resource, start, len),
            Selection::Unsatisfiable => {
                let mut reply = Self::text(416, "no such range\n");
                reply.headers.set("Content-Range", &format!("bytes */{total}"));
                reply.total = Some(total);
                return reply;
            }
        };
        reply.total = Some(total);
        reply.describe(resource);
        if selection == Selection::Whole {
            resource.whole_only.iter().for_each(|(name, value)| reply.headers.add(name, value));
        }
        reply
    }

    /// Puts another payload in place, with the `Content-Length` that fits.
    pub fn set_payload(&mut self, payload: Payload) {
        self.headers.set("Content-Length", &payload.len().to_string());
        self.payload = payload;
    }

    /// Makes the reply the bytes `start..start + len` of the same resource, with the
    /// `Content-Range` that fits. Only for a reply with bytes of a resource.
    pub fn move_to(&mut self, start: u64, len: u64) {
        if let (Payload::Slice { body, .. }, Some(total)) = (&self.payload, self.total) {
            let payload = Payload::Slice { body: body.clone(), start, len };
            self.set_payload(payload);
            self.headers.set("Content-Range", &content_range(start, len, total));
        }
    }

    fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Headers::default(),
            payload: Payload::Bytes(Vec::new()),
            total: None,
            http_1_1: true,
            close: false,
            raw_head: None,
        }
    }

    fn slice(status: u16, resource: &Resource, start: u64, len: u64) -> Self {
        let mut reply = Self::empty(status);
        reply.set_payload(Payload::Slice { body: resource.body.clone(), start, len });
        if status == 206 {
            reply.headers.set("Content-Range", &content_range(start, len, resource.body.len()));
        }
        reply
    }

    fn describe(&mut self, resource: &Resource) {
        self.headers.add("Accept-Ranges", "bytes");
        let validators = [("ETag", &resource.etag), ("Last-Modified", &resource.last_modified)];
        for (name, value) in validators {
            value.iter().for_each(|value| self.headers.add(name, value));
        }
        resource.headers.iter().for_each(|(name, value)| self.headers.add(name, value));
    }

    /// Status line and header fields as sent.
    pub(super) fn head(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw_head {
            return raw.clone();
        }
        let version = if self.http_1_1 { "HTTP/1.1" } else { "HTTP/1.0" };
        let mut head = format!("{version} {} {}\r\n", self.status, reason(self.status));
        for (name, value) in self.headers.iter() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

fn content_range(start: u64, len: u64, total: u64) -> String {
    format!("bytes {start}-{}/{total}", (start + len).saturating_sub(1))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        410 => "Gone",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
