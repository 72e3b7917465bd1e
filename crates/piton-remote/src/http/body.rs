//! The body of a response, read straight into the caller's buffer.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;

use super::broken::{body_failed, io_failed};
use super::h1::{Chunked, Raw, take};
use super::h2::Flow;
use super::lane::{Held, Lane, Line, Via};
use super::pace::{MinRate, Pace};
use crate::error::RemoteError;

/// A rest of this size is read to keep the connection, if it is there already.
const DRAIN: u64 = 64 << 10;

/// What is still to come of a response. To drop it closes the connection (HTTP/2: resets the stream).
pub struct Body {
    /// What was read and handed back, then why there is nothing behind it.
    ahead: Bytes,
    failed: Option<RemoteError>,
    rest: Rest,
    via: Via,
    got: u64,
    length: Option<u64>,
    ended: bool,
    low_water: usize,
    pace: Pace,
}

pub(super) enum Rest {
    Raw(Raw),
    Chunked(Box<Chunked>),
    H2(Flow),
    /// The connection was given back.
    Gone,
}

impl Body {
    pub(super) fn new(rest: Rest, via: Via, least: Option<MinRate>) -> Body {
        let length = match &rest {
            Rest::Raw(raw) => raw.length,
            Rest::Chunked(_) => None,
            Rest::H2(flow) => flow.length(),
            Rest::Gone => Some(0),
        };
        let ended = length == Some(0);
        let ahead = Bytes::new();
        let pace = Pace::new(least);
        Body { ahead, failed: None, rest, via, got: 0, length, ended, low_water: 1, pace }
    }

    /// Hands back the bytes that were read last, and the error that came instead of more: the next reads
    /// bring them again.
    pub(crate) fn unread(&mut self, bytes: Bytes, failed: Option<RemoteError>) {
        self.got = self.got.saturating_sub(bytes.len() as u64);
        self.ended = self.ended && bytes.is_empty() && failed.is_none();
        (self.ahead, self.failed) = (bytes, failed);
    }

    /// All `size` bytes of it, if the body is so long, is here already, and nothing was read of it.
    pub(crate) fn read_all(&mut self, size: usize) -> Option<Vec<u8>> {
        let Rest::Raw(raw) = &mut self.rest else { return None };
        let whole = self.length == Some(size as u64) && raw.early.len() == size && self.got == 0;
        if !whole || size == 0 || !self.ahead.is_empty() {
            return None;
        }
        let all = std::mem::take(&mut raw.early);
        (self.got, self.ended) = (size as u64, true);
        Some(all.into())
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.via.peer
    }

    /// Receives at least one byte, or 0 at the end. May be dropped while it waits; nothing is lost.
    ///
    /// # Errors
    /// [`RemoteError::Truncated`] for a body cut short, also where only the missing last chunk or TLS
    /// close shows it; what was read before is good. After an error the body yields nothing more.
    pub async fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }

    /// What is there now without waiting, also below the low-water mark; `None`: nothing.
    pub fn try_read(&mut self, buf: &mut [u8]) -> Option<Result<usize, RemoteError>> {
        if let Rest::Raw(raw) = &mut self.rest
            && raw.early.is_empty()
            && self.ahead.is_empty()
            && self.failed.is_none()
            && !self.ended
        {
            let buf = within(buf, self.length.map(|length| length.saturating_sub(self.got)));
            let Some(received) = raw.stream.try_recv(buf) else {
                self.pace.wait();
                return None;
            };
            return Some(self.raw_received(received));
        }
        match self.poll_read(&mut Context::from_waker(Waker::noop()), buf) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Bytes still to come, if the framing says: not for chunked bodies and those that end with the connection.
    pub fn remaining(&self) -> Option<u64> {
        self.length.map(|length| length.saturating_sub(self.got))
    }

    /// Wakes a waiting reader only once this many bytes are there (or the rest of the body, or the peer has
    /// closed): fewer, larger reads. Over HTTP/1 only; elsewhere nothing changes. What trickles in below
    /// the mark is for [`Body::try_read`] to fetch.
    pub fn set_low_water(&mut self, bytes: usize) {
        self.low_water = bytes;
    }

    /// Gives the connection back to its lane if the body was read to its end, or the rest is at most 64 KiB
    /// and there already; otherwise closes it (HTTP/2: resets the stream and keeps the connection).
    pub fn finish(mut self, lane: &mut Lane) {
        self.release(lane);
    }

    /// Like [`Body::finish`], of a body that can still be handed what was read of it.
    pub(crate) fn release(&mut self, lane: &mut Lane) {
        let whole = self.drain();
        let line = match std::mem::replace(&mut self.rest, Rest::Gone) {
            Rest::H2(flow) => Some(Line::H2(flow.link)),
            Rest::Raw(raw) if whole && raw.reusable => Some(Line::H1(raw.stream)),
            Rest::Chunked(chunked) if whole => chunked.into_stream().map(Line::H1),
            Rest::Raw(_) | Rest::Chunked(_) | Rest::Gone => None,
        };
        if let Some(line) = line {
            lane.keep(Held { via: self.via.clone(), line });
        }
    }

    fn drain(&mut self) -> bool {
        let mut scratch = [0; 4096];
        let limit = self.got.saturating_add(DRAIN);
        let near = self.remaining().is_none_or(|rest| rest <= DRAIN);
        while near && !self.ended && self.got <= limit {
            if !matches!(self.try_read(&mut scratch), Some(Ok(1..))) {
                break;
            }
        }
        self.ended
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, RemoteError>> {
        let polled = self.poll_recv(cx, buf);
        if polled.is_pending() {
            self.pace.wait();
        }
        polled
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, RemoteError>> {
        if self.ended || buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !self.ahead.is_empty() {
            let taken = take(&mut self.ahead, buf);
            return Poll::Ready(self.count(taken));
        }
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let remaining = self.remaining();
        let buf = within(buf, remaining);
        let received = match &mut self.rest {
            Rest::Raw(raw) => {
                let received = if raw.early.is_empty() {
                    // Never more than is still to come, or the end would not wake anybody.
                    let rest = remaining.and_then(|rest| usize::try_from(rest).ok());
                    raw.stream.set_low_water(self.low_water, rest.unwrap_or(usize::MAX));
                    ready!(raw.stream.poll_recv(cx, buf))
                } else {
                    Ok(take(&mut raw.early, buf))
                };
                return Poll::Ready(self.raw_received(received));
            }
            Rest::Chunked(chunked) => ready!(chunked.poll_recv(cx, buf)),
            Rest::H2(flow) => ready!(flow.poll_recv(cx, buf)),
            Rest::Gone => Ok(0),
        };
        Poll::Ready(match received {
            Ok(n) => self.count(n),
            Err(error) => {
                Err(body_failed(&self.via.origin.to_string(), &error, self.got, self.length))
            }
        })
    }

    fn raw_received(&mut self, received: std::io::Result<usize>) -> Result<usize, RemoteError> {
        match received {
            Ok(n) => self.count(n),
            Err(error) => {
                Err(io_failed(&self.via.origin.to_string(), error, self.got, self.length))
            }
        }
    }

    fn count(&mut self, n: usize) -> Result<usize, RemoteError> {
        self.got += n as u64;
        match self.length {
            Some(length) if self.got >= length => self.ended = true,
            Some(_) if n == 0 => {
                let (host, got, expected) = (self.via.origin.to_string(), self.got, self.length);
                return Err(RemoteError::Truncated { host, got, expected });
            }
            _ => self.ended = n == 0,
        }
        match self.pace.came(n) {
            Some(least) if !self.ended => {
                let host = self.via.origin.to_string();
                Err(RemoteError::TooSlow { host, least: least.bytes, over: least.over })
            }
            _ => Ok(n),
        }
    }
}

/// At most `remaining` bytes of `buf`: what follows them belongs to the next response.
fn within(buf: &mut [u8], remaining: Option<u64>) -> &mut [u8] {
    let most = remaining.and_then(|rest| usize::try_from(rest).ok()).unwrap_or(usize::MAX);
    let most = most.min(buf.len());
    buf.split_at_mut(most).0
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("got", &self.got).field("length", &self.length).finish()
    }
}
