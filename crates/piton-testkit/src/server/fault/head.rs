//! Faults before and in the head of a reply.

use std::time::{Duration, SystemTime};

use super::{Early, Fault};
use crate::server::date::http_date;
use crate::server::delivery::Delivery;
use crate::server::reply::{Payload, Reply};
use crate::server::resource::Resource;

/// A value of `Retry-After`.
#[derive(Clone, Debug)]
pub enum RetryAfter {
    /// Seconds.
    Seconds(u64),
    /// A date so long after the reply (rounded down to a second).
    Date(Duration),
    /// Any text.
    Text(String),
}

impl RetryAfter {
    fn value(&self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Date(after) => http_date(SystemTime::now() + *after),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Fault {
    /// The reply comes so much later; without conditions, the latency of the server.
    pub fn delay(delay: Duration) -> Self {
        Self::early(Early::Delay(delay))
    }

    /// The request is read and never answered; `hang().method("HEAD")` is a server on which HEAD
    /// hangs.
    pub fn hang() -> Self {
        Self::early(Early::Hang)
    }

    /// The connection is closed (FIN) instead of an answer.
    pub fn closes_unanswered() -> Self {
        Self::early(Early::Close)
    }

    /// The connection is reset (RST) instead of an answer.
    pub fn resets_unanswered() -> Self {
        Self::early(Early::Reset)
    }

    /// The server goes away instead of an answer: it drops all connections, refuses new ones for
    /// `time`, and returns.
    pub fn away(time: Duration) -> Self {
        Self::early(Early::Away(time))
    }

    /// `path` is replaced before the request is answered: the hook that swaps a version at the n-th
    /// request.
    pub fn replaces(path: &str, resource: Resource) -> Self {
        Self::early(Early::Replace(path.to_owned(), Box::new(resource)))
    }

    /// A status with a short text.
    pub fn status(status: u16) -> Self {
        Self::in_reply(move |reply, _| {
            *reply = Reply::text(status, "the status was asked for by a test\n")
        })
    }

    /// A status (429, 503) with `Retry-After`.
    pub fn status_retry_after(status: u16, retry_after: RetryAfter) -> Self {
        Self::status(status).and(Self::in_reply(move |reply, _| {
            reply.headers.set("Retry-After", &retry_after.value())
        }))
    }

    /// A page of another length with status 200, as from a captive portal; no validators, no
    /// ranges.
    pub fn error_page(text: &str) -> Self {
        let text = text.to_owned();
        Self::in_reply(move |reply, _| {
            *reply = Reply::text(200, &text);
            reply.headers.set("Content-Type", "text/html");
        })
    }

    /// A redirect; `{port}` in `location` becomes the port of this server, so that
    /// `http://localhost:{port}/f` crosses hosts. A path that leads to itself is a loop.
    pub fn redirect(status: u16, location: &str) -> Self {
        let location = location.to_owned();
        Self::in_reply(move |reply, context| {
            *reply = Reply::text(status, "elsewhere\n");
            reply.headers.set("Location", &location.replace("{port}", &context.port.to_string()));
        })
    }

    /// One more header field.
    pub fn header(name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        Self::in_reply(move |reply, _| reply.headers.add(&name, &value))
    }

    /// A `Set-Cookie`.
    pub fn set_cookie(value: &str) -> Self {
        Self::header("Set-Cookie", value)
    }

    /// `name` replaced by `value`.
    pub fn sets_header(name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        Self::in_reply(move |reply, _| reply.headers.set(&name, &value))
    }

    /// Without the header field `name`.
    pub fn without_header(name: &str) -> Self {
        let name = name.to_owned();
        Self::in_reply(move |reply, _| reply.headers.remove(&name))
    }

    /// Without `Accept-Ranges`; ranges work all the same.
    pub fn no_accept_ranges() -> Self {
        Self::without_header("Accept-Ranges")
    }

    /// Without `ETag` and `Last-Modified`.
    pub fn no_validators() -> Self {
        Self::without_header("ETag").and(Self::without_header("Last-Modified"))
    }

    /// This text as `Content-Length`: negative, rubbish, exabytes. The body stays.
    pub fn content_length(text: &str) -> Self {
        Self::sets_header("Content-Length", text)
    }

    /// The right `Content-Length` twice, which RFC 9112 lets a client accept.
    pub fn content_length_twice() -> Self {
        Self::in_reply(|reply, _| {
            let length = reply.payload.len().to_string();
            reply.headers.add("Content-Length", &length);
        })
    }

    /// A second `Content-Length` that differs.
    pub fn second_content_length(text: &str) -> Self {
        Self::header("Content-Length", text)
    }

    /// `Content-Encoding: gzip` over bytes that are sent as they are stored.
    pub fn claims_gzip() -> Self {
        Self::sets_header("Content-Encoding", "gzip")
    }

    /// `count` more header fields with values of `size` bytes.
    pub fn header_flood(count: usize, size: usize) -> Self {
        Self::in_reply(move |reply, _| {
            (0..count).for_each(|i| reply.headers.add(&format!("X-Flood-{i}"), &"x".repeat(size)));
        })
    }

    /// Header fields without end, until the client hangs up.
    pub fn endless_head() -> Self {
        Self::delivery(Delivery::EndlessHead)
    }

    /// These bytes in place of status line and header fields; then the body.
    pub fn raw_head(bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self::in_reply(move |reply, _| reply.raw_head = Some(bytes.clone()))
    }

    /// These bytes in place of the whole reply; then the connection is closed.
    pub fn raw(bytes: &[u8]) -> Self {
        let bytes = bytes.to_vec();
        Self::in_reply(move |reply, _| {
            reply.raw_head = Some(bytes.clone());
            reply.payload = Payload::Bytes(Vec::new());
            reply.close = true;
        })
    }

    /// HTTP/1.0: no keep-alive; `Content-Length` is sent.
    pub fn http_1_0() -> Self {
        Self::in_reply(|reply, _| {
            reply.http_1_1 = false;
            reply.close = true;
        })
    }

    /// No `Content-Length`: the body ends with the connection.
    pub fn close_delimited() -> Self {
        Self::without_header("Content-Length").and(Self::closes_connection())
    }

    /// `Connection: close`, and it does.
    pub fn closes_connection() -> Self {
        Self::in_reply(|reply, _| {
            reply.headers.set("Connection", "close");
            reply.close = true;
        })
    }

    /// The connection is closed after the reply without a word, so that a client that keeps it
    /// finds it dead.
    pub fn closes_silently() -> Self {
        Self::in_reply(|reply, _| reply.close = true)
    }
}
