//! How a reply goes over the wire when it does not simply go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::body::Body;
use super::resource::Resource;

/// One deviation in the sending of a reply. Byte counts are of the body, without chunk framing.
#[derive(Clone, Debug)]
pub(super) enum Delivery {
    /// Do something once `after` bytes were sent.
    At { after: u64, of: Extent, action: Action },
    /// At most so many bytes per second.
    Rate(u64),
    /// In chunks of this size.
    Chunked(usize),
    /// A chunk size that is no number, in place of the chunk at or after this offset.
    GarbledChunk(u64),
    /// The body ends without the chunk of size zero.
    NoLastChunk,
    /// The body goes on after its end until the client has enough.
    Endless,
    /// More bytes after the body.
    Extra(Arc<[u8]>),
    /// One bit of the byte at this offset of the resource is wrong; with a flag, only until it was
    /// sent once.
    Flip { offset: u64, done: Option<Arc<AtomicBool>> },
    /// From this offset of the resource on, the bytes come from another version.
    Overwritten { offset: u64, body: Body },
    /// Header fields are sent until the client has enough.
    EndlessHead,
}

/// What a byte count is of.
#[derive(Clone, Debug)]
pub(super) enum Extent {
    /// One reply.
    Reply,
    /// All replies on the connection.
    Connection,
    /// What is left of the resource behind what was sent.
    Left,
    /// All replies the fault was for; the action comes once only.
    All { sent: Arc<AtomicU64>, done: Arc<AtomicBool> },
}

/// What happens at a byte count.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// The connection ends as if the body were complete (FIN).
    Close,
    /// The connection is reset (RST).
    Reset,
    /// Nothing more comes, and the connection stays open.
    Stall,
    /// Nothing comes for a while.
    Pause(Duration),
    /// Another version is put in place; this reply goes on with the old one.
    Replace(String, Box<Resource>),
    /// The server stops listening and drops all connections for a while.
    Away(Duration),
}
