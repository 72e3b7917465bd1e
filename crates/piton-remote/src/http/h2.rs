//! HTTP/2 connections, each shared by several lanes.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::broken::head_failed;
use super::config::Config;
use super::h1::{NoBody, take};
use super::lock;
use super::stream::Stream;
use crate::error::RemoteError;
use crate::origin::Origin;

/// A dead path is noticed after this much silence, and as long again without an answer to the ping.
const PING: Duration = Duration::from_secs(20);

/// Origins remembered before those without a connection are forgotten (G8).
const MAX_HUBS: usize = 256;

/// The HTTP/2 connections of a transport.
#[derive(Default)]
pub(super) struct Pool {
    hubs: Mutex<HashMap<Origin, Arc<Hub>>>,
}

impl Pool {
    pub(super) fn hub(&self, origin: &Origin) -> Arc<Hub> {
        let mut hubs = lock(&self.hubs);
        if hubs.len() >= MAX_HUBS {
            hubs.retain(|_, hub| Arc::strong_count(hub) > 1 || hub.is_used());
        }
        hubs.entry(origin.clone()).or_default().clone()
    }
}

/// What an origin was seen to speak.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Speaks {
    #[default]
    Unknown,
    /// HTTP/1.1; perhaps the other as well, which was not asked for.
    Http1,
    /// HTTP/2, or nothing when it was asked for HTTP/1.1 alone.
    Http2,
}

/// The connections to one origin.
#[derive(Default)]
pub(super) struct Hub {
    links: Mutex<Vec<Weak<Link>>>,
    speaks: Mutex<Speaks>,
    /// Held while a connection is made, so that the other lanes can wait and share it.
    pub(super) dialing: tokio::sync::Mutex<()>,
}

impl Hub {
    /// A place on a connection that has one left.
    pub(super) fn ride(&self, per_connection: usize) -> Option<Arc<Link>> {
        let mut links = lock(&self.links);
        links.retain(|link| link.strong_count() > 0);
        links.iter().find_map(|link| {
            let riders = link.strong_count();
            let link = link.upgrade().filter(|link| link.is_open())?;
            // A stream beyond what the server allows would wait until another one ends.
            let places = per_connection.min(link.allowed.load(Ordering::Relaxed));
            (riders < places).then_some(link)
        })
    }

    pub(super) fn add(&self, link: &Arc<Link>) {
        lock(&self.links).push(Arc::downgrade(link));
    }

    /// Nobody else gets on; those on it stay.
    pub(super) fn retire(&self, link: &Arc<Link>) {
        lock(&self.links).retain(|other| other.as_ptr() != Arc::as_ptr(link));
    }

    pub(super) fn speaks(&self) -> Speaks {
        *lock(&self.speaks)
    }

    pub(super) fn set_speaks(&self, speaks: Speaks) {
        *lock(&self.speaks) = speaks;
    }

    fn is_used(&self) -> bool {
        lock(&self.links).iter().any(|link| link.strong_count() > 0)
    }
}

/// One connection. Each lane on it holds one reference; it closes with the last.
pub(super) struct Link {
    sender: SendRequest<NoBody>,
    peer: SocketAddr,
    /// How many streams the server allows at a time.
    allowed: Arc<AtomicUsize>,
}

impl Link {
    /// Speaks HTTP/2 on `stream`. The connection runs as a task of its own.
    pub(super) async fn open(
        stream: Stream,
        peer: SocketAddr,
        config: &Config,
        host: &str,
    ) -> Result<Arc<Link>, RemoteError> {
        let streams = u32::try_from(config.streams_per_connection).unwrap_or(u32::MAX);
        let window = config.stream_window;
        let head = u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX);
        let (sender, mut connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(window)
            .initial_connection_window_size(window.saturating_mul(streams).min(i32::MAX as u32))
            .max_header_list_size(head)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| head_failed(host, &error))?;
        let allowed = Arc::new(AtomicUsize::new(usize::MAX));
        let told = allowed.clone();
        tokio::spawn(async move {
            let ended = poll_fn(|cx| {
                let ended = Pin::new(&mut connection).poll(cx);
                told.store(connection.current_max_send_streams(), Ordering::Relaxed);
                ended
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "HTTP/2 connection ended");
            }
        });
        Ok(Arc::new(Link { sender, peer, allowed }))
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends `request` and waits for the head. To drop the future resets the stream only.
    pub(super) async fn exchange(
        &self,
        request: Request<NoBody>,
        host: &str,
    ) -> Result<(response::Parts, Incoming), RemoteError> {
        let mut sender = self.sender.clone();
        sender.ready().await.map_err(|error| head_failed(host, &error))?;
        let response =
            sender.send_request(request).await.map_err(|error| head_failed(host, &error))?;
        Ok(response.into_parts())
    }
}

/// The body of one stream.
pub(super) struct Flow {
    pub(super) link: Arc<Link>,
    incoming: Incoming,
    frame: Bytes,
}

impl Flow {
    pub(super) fn new(link: Arc<Link>, incoming: Incoming) -> Flow {
        Flow { link, incoming, frame: Bytes::new() }
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// At least one byte, or 0 at the end; as many frames as are there, so that one wake-up serves for many.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize, hyper::Error>> {
        let mut filled = 0;
        loop {
            let Some(space) = buf.get_mut(filled..).filter(|space| !space.is_empty()) else {
                return Poll::Ready(Ok(filled));
            };
            filled += take(&mut self.frame, space);
            if !self.frame.is_empty() {
                return Poll::Ready(Ok(filled));
            }
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => self.frame = frame.into_data().unwrap_or_default(),
                _ if filled > 0 => return Poll::Ready(Ok(filled)),
                polled => return Poll::Ready(ready!(polled).transpose().map(|_| 0)),
            }
        }
    }
}
