//! Faults in the body of a reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::Fault;
use crate::server::body::Body;
use crate::server::delivery::{Action, Delivery, Extent};
use crate::server::resource::Resource;

impl Fault {
    /// The connection ends (FIN) after `bytes` of the body of a reply.
    pub fn cut_after(bytes: u64) -> Self {
        Self::at(bytes, Extent::Reply, Action::Close)
    }

    /// The connection ends (FIN) after `bytes` of all bodies on it.
    pub fn cut_connection_after(bytes: u64) -> Self {
        Self::at(bytes, Extent::Connection, Action::Close)
    }

    /// The connection is reset (RST) after `bytes` of the body of a reply.
    pub fn reset_after(bytes: u64) -> Self {
        Self::at(bytes, Extent::Reply, Action::Reset)
    }

    /// The connection is reset (RST) after `bytes` of all bodies on it.
    pub fn reset_connection_after(bytes: u64) -> Self {
        Self::at(bytes, Extent::Connection, Action::Reset)
    }

    /// Nothing more comes after `bytes` of the body of a reply, and the connection stays open.
    pub fn stall_after(bytes: u64) -> Self {
        Self::at(bytes, Extent::Reply, Action::Stall)
    }

    /// Nothing of the last `bytes` of a resource comes, and the connection stays open: whoever asks,
    /// however often, does not get it whole.
    pub fn withholds_last(bytes: u64) -> Self {
        Self::at(bytes, Extent::Left, Action::Stall)
    }

    /// Nothing comes for `time` after `bytes` of the body of a reply; then it goes on.
    pub fn pause_after(bytes: u64, time: Duration) -> Self {
        Self::at(bytes, Extent::Reply, Action::Pause(time))
    }

    /// `path` is replaced once `bytes` of the bodies of all replies that this fault is for were
    /// sent. Replies under way go on with the old version, as after a rename over the file.
    pub fn replaces_after(bytes: u64, path: &str, resource: Resource) -> Self {
        Self::at(bytes, Extent::all(), Action::Replace(path.to_owned(), Box::new(resource)))
    }

    /// The server goes away for `time` once `bytes` of the bodies of all replies that this fault is
    /// for were sent.
    pub fn away_after(bytes: u64, time: Duration) -> Self {
        Self::at(bytes, Extent::all(), Action::Away(time))
    }

    /// The bytes from `offset` of the resource on come from `body`, as when a file is overwritten
    /// in place while it is sent. The head stays that of the old version.
    pub fn overwritten_from(offset: u64, body: Body) -> Self {
        Self::delivery(Delivery::Overwritten { offset, body })
    }

    /// At most `rate` bytes per second.
    pub fn crawl(rate: u64) -> Self {
        Self::delivery(Delivery::Rate(rate))
    }

    /// Chunks of `size` bytes, without `Content-Length`.
    pub fn chunked(size: usize) -> Self {
        Self::in_reply(|reply, _| {
            reply.headers.remove("Content-Length");
            reply.headers.set("Transfer-Encoding", "chunked");
        })
        .and(Self::delivery(Delivery::Chunked(size.max(1))))
    }

    /// Chunks of `size` bytes, and at the first chunk from offset `at` of the body on a size that
    /// is no number.
    pub fn garbled_chunks(size: usize, at: u64) -> Self {
        Self::chunked(size).and(Self::delivery(Delivery::GarbledChunk(at)))
    }

    /// Chunks of `size` bytes; the connection ends (FIN) after `bytes` of the body, inside a chunk
    /// unless `bytes` is a multiple of `size`.
    pub fn truncated_chunks(size: usize, bytes: u64) -> Self {
        Self::chunked(size).and(Self::cut_after(bytes))
    }

    /// Chunks of `size` bytes; after the last byte the connection ends (FIN) without the chunk of
    /// size zero.
    pub fn no_last_chunk(size: usize) -> Self {
        Self::chunked(size).and(Self::delivery(Delivery::NoLastChunk))
    }

    /// A body without end and without length: what follows the resource is zeros.
    pub fn endless() -> Self {
        Self::close_delimited().and(Self::delivery(Delivery::Endless))
    }

    /// More bytes after the body, beyond `Content-Length`.
    pub fn extra_bytes(bytes: &[u8]) -> Self {
        Self::delivery(Delivery::Extra(bytes.into()))
    }

    /// The lowest bit of the byte at `offset` of the resource is flipped, whoever asks.
    pub fn flip(offset: u64) -> Self {
        Self::delivery(Delivery::Flip { offset, done: None })
    }

    /// The lowest bit of the byte at `offset` of the resource is flipped the first time that it is
    /// sent.
    pub fn flip_once(offset: u64) -> Self {
        Self::delivery(Delivery::Flip { offset, done: Some(Arc::new(AtomicBool::new(false))) })
    }

    fn at(after: u64, of: Extent, action: Action) -> Self {
        Self::delivery(Delivery::At { after, of, action })
    }
}

impl Extent {
    fn all() -> Self {
        Self::All { sent: Arc::new(AtomicU64::new(0)), done: Arc::new(AtomicBool::new(false)) }
    }
}
