//! One HTTP/1 exchange: hyper writes the request and parses the head, then gives the socket back.
//!
//! hyper's connection is driven here, in the caller's task, and only until the head is parsed. By then it has
//! read at most one piece beyond the head: the body channel holds one frame, and it is not driven again. So
//! what was taken from the socket is head + that frame + `read_buf`, all of which is collected before the
//! socket is taken out of hyper. Only chunked bodies stay with it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Request, StatusCode, Version, response};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::broken::head_failed;
use super::stream::Stream;
use crate::error::RemoteError;

pub(super) type NoBody = Empty<Bytes>;
type Hyper = Connection<TokioIo<Stream>, NoBody>;

/// More header lines than this, or more interim (1xx) answers, are an attack or a fault. Some servers send
/// hundreds.
const MAX_HEADERS: usize = 500;
const MAX_INTERIM: u32 = 32;

pub(super) struct Answer {
    pub(super) head: response::Parts,
    pub(super) rest: Rest,
}

/// A body still to be read.
pub(super) enum Rest {
    Raw(Raw),
    Chunked(Box<Chunked>),
}

/// A body that is the bytes of the socket, to a known length or to the end of the connection.
pub(super) struct Raw {
    pub(super) stream: Stream,
    /// What hyper took from the socket beyond the head.
    pub(super) early: Bytes,
    /// The length announced; to the end of the connection without.
    pub(super) length: Option<u64>,
    /// Whether the connection can take another request once the body is read.
    pub(super) reusable: bool,
    /// Whether the server sent more than it announced.
    excess: bool,
}

/// Sends `request` and waits for the head of the final answer. To drop the future closes the connection.
pub(super) async fn exchange(
    stream: Stream,
    mut request: Request<NoBody>,
    max_head: usize,
    host: &str,
) -> Result<Answer, RemoteError> {
    let mut builder = Builder::new();
    builder.max_headers(MAX_HEADERS).max_header_size(max_head);
    // What browsers and curl accept: folded lines, blanks before the colon, and lines that are none.
    builder
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let (mut sender, mut connection) = builder
        .handshake::<_, NoBody>(TokioIo::new(stream))
        .await
        .map_err(|error| head_failed(host, &error))?;

    let interim = Arc::new(AtomicU32::new(0));
    let counter = interim.clone();
    hyper::ext::on_informational(&mut request, move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let mut answer = pin!(sender.send_request(request));
    let mut ended = false;
    let answered = poll_fn(|cx| {
        if !ended {
            ended = connection.poll_without_shutdown(cx).is_ready();
        }
        if interim.load(Ordering::Relaxed) > MAX_INTERIM {
            return Poll::Ready(Err(Unanswered::Interim));
        }
        answer.as_mut().poll(cx).map_err(Unanswered::Failed)
    })
    .await;
    let response = match answered {
        Ok(response) => response,
        Err(Unanswered::Interim) => return Err(protocol(host, "endless interim answers")),
        // hyper says the same of a length that it cannot count, of which it has taken the head already.
        Err(Unanswered::Failed(error))
            if error.is_parse()
                && error.to_string().contains("too large")
                && !connection.into_parts().read_buf.starts_with(b"HTTP/") =>
        {
            return Err(protocol(host, "it announces an impossible length"));
        }
        Err(Unanswered::Failed(error)) => return Err(head_failed(host, &error)),
    };

    let (mut head, body) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(protocol(host, "it switches to another protocol without being asked"));
    }
    let mut keep_alive = !ended && keeps_alive(&head);
    if head.headers.contains_key(TRANSFER_ENCODING) && head.headers.remove(CONTENT_LENGTH).is_some()
    {
        // RFC 9112 section 6.3: the chunks say where it ends, and who sends both is not asked again here.
        keep_alive = false;
    }
    let coded = head.headers.get_all(TRANSFER_ENCODING).iter().collect::<Vec<_>>();
    if body.is_end_stream() || coded.is_empty() {
        let raw = take_over(connection, body, keep_alive).await;
        return Ok(Answer { head, rest: Rest::Raw(raw) });
    }
    if !matches!(coded.as_slice(), [only] if only.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(protocol(host, "a transfer coding that was not requested"));
    }
    let frame = Bytes::new();
    let chunked = Chunked { connection, _sender: sender, body, frame, ended, keep_alive };
    Ok(Answer { head, rest: Rest::Chunked(Box::new(chunked)) })
}

/// Why there is no head.
enum Unanswered {
    Interim,
    Failed(hyper::Error),
}

/// Collects what hyper read too much, and takes the socket back.
async fn take_over(connection: Hyper, mut body: Incoming, keep_alive: bool) -> Raw {
    let length = body.size_hint().exact();
    let mut early = Bytes::new();
    poll_fn(|cx| {
        // An error is passed over: the socket says it again, after the bytes that came before it.
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(cx) {
            if let Ok(data) = frame.into_data() {
                early = joined(std::mem::take(&mut early), data);
            }
        }
        Poll::Ready(())
    })
    .await;
    let parts = connection.into_parts();
    let mut early = joined(early, parts.read_buf);
    let announced = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let excess = early.len() > announced;
    early.truncate(announced);
    let reusable = keep_alive && length.is_some() && !excess;
    Raw { stream: parts.io.into_inner(), early, length, reusable, excess }
}

/// One behind the other; there is seldom more than one.
fn joined(first: Bytes, second: Bytes) -> Bytes {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        _ => [first, second].concat().into(),
    }
}

/// RFC 9112 section 9.3.
fn keeps_alive(head: &response::Parts) -> bool {
    let says = |wanted: &str| {
        let lines = head.headers.get_all(CONNECTION).into_iter().filter_map(|v| v.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|t| t.trim().eq_ignore_ascii_case(wanted))
    };
    !says("close") && (head.version == Version::HTTP_11 || says("keep-alive"))
}

fn protocol(host: &str, why: &str) -> RemoteError {
    RemoteError::Protocol { host: host.to_owned(), why: why.to_owned() }
}

impl Answer {
    /// The bare connection after a 2xx answer to CONNECT; `None` if the other side already spoke.
    pub(super) fn into_tunnel(self) -> Option<Stream> {
        match self.rest {
            Rest::Raw(raw) if raw.early.is_empty() && !raw.excess => Some(raw.stream),
            _ => None,
        }
    }
}

/// A chunked body, read through hyper.
pub(super) struct Chunked {
    connection: Hyper,
    /// hyper closes the connection when nobody could send on it any more.
    _sender: SendRequest<NoBody>,
    body: Incoming,
    frame: Bytes,
    ended: bool,
    keep_alive: bool,
}

impl Chunked {
    /// At least one byte, or 0 at the end.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, hyper::Error>> {
        loop {
            if !self.frame.is_empty() {
                return Poll::Ready(Ok(take(&mut self.frame, buf)));
            }
            // hyper reads one piece each time it is driven and then waits for it to be fetched.
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending if !self.ended => {
                    self.ended = self.connection.poll_without_shutdown(cx).is_ready();
                    ready!(Pin::new(&mut self.body).poll_frame(cx))
                }
                polled => ready!(polled),
            };
            match frame {
                // Trailers are no data.
                Some(Ok(frame)) => self.frame = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(0)),
            }
        }
    }

    /// The connection, once the body was read to its end, if it can take another request.
    pub(super) fn into_stream(self) -> Option<Stream> {
        let parts = self.connection.into_parts();
        let quiet = parts.read_buf.is_empty() && !self.ended && self.keep_alive;
        quiet.then(|| parts.io.into_inner())
    }
}

/// Moves the front of `from` into `buf`.
pub(super) fn take(from: &mut Bytes, buf: &mut [u8]) -> usize {
    let n = from.len().min(buf.len());
    if let Some(into) = buf.get_mut(..n) {
        into.copy_from_slice(&from.split_to(n));
    }
    n
}
