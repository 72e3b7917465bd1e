//! Compressed sources: their uncompressed bytes in order, and the places where decoding can start again.
//!
//! Each codec is a [`Decoder`], which takes bytes from a [`Feed`] and reports restart points as it passes them. All of
//! them bound their memory by the window of their format, and report damage with its place.

mod batches;
mod bzip2;
mod fault;
mod feed;
mod gzip;
mod point;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod properties;
mod xz;
mod zstd;

use std::sync::Arc;

use piton_durable::fs::{FsFile, read_full_at};

pub(super) use batches::{Decoded, Entered, Entry, Trace};
use fault::Fault;
use feed::{Extent, Feed};
use point::{Marks, Place};
pub(crate) use point::{Point, Restart};

use crate::source::Growth;

/// How a source is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As its first bytes say; a job that was begun stays with what it found.
    #[default]
    Detect,
    /// Not at all: its bytes are read as they are.
    None,
    /// Gzip, one member or many.
    Gzip,
    /// Zstandard, one frame or many.
    Zstd,
    /// Bzip2, one stream or many.
    Bzip2,
    /// Xz, one stream or many.
    Xz,
}

impl Compression {
    /// The word for it, for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Detect => "whatever its first bytes say",
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// What these first bytes of a file say. [`Compression::None`]: that it is plain.
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [a, b, c, flags, ..] if [*a, *b, *c] == gzip::MAGIC && flags & gzip::RESERVED == 0 => {
                Self::Gzip
            }
            [0x50..=0x5f, rest @ ..] if rest.starts_with(&zstd::SKIPPABLE) => Self::Zstd,
            head if head.starts_with(&zstd::MAGIC) => Self::Zstd,
            head if head.starts_with(&xz::MAGIC) => Self::Xz,
            head if bzip2::is_bzip2(head) => Self::Bzip2,
            _ => Self::None,
        }
    }
}

/// What a step of a decoder did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Produced {
    /// So many bytes came out. None: take another step.
    Bytes(usize),
    /// The source ends here, where it may.
    End,
}

/// One codec.
trait Decoder: Send {
    /// Takes some bytes from the feed, puts what they give to `out`, which is not empty, and notes restart points.
    fn step(
        &mut self,
        feed: &mut Feed,
        out: &mut [u8],
        marks: &mut Marks,
    ) -> Result<Produced, Fault>;
}

/// The uncompressed bytes of a file, in order.
struct Coded {
    feed: Feed,
    decoder: Box<dyn Decoder>,
    marks: Marks,
    /// Bytes that were read, and come again.
    back: Vec<u8>,
    /// What ended the bytes, after those that came out.
    failed: Option<Fault>,
}

/// How a compressed file is opened.
pub(super) struct Opening {
    pub(super) len: u64,
    pub(super) growth: Growth,
    /// Whether all that is read is to be hashed.
    pub(super) hash: bool,
    pub(super) max_window: u64,
}

impl Coded {
    /// At this restart point of the file.
    fn open(file: Arc<dyn FsFile>, point: &Point, how: &Opening) -> Result<Self, Fault> {
        let Opening { len, growth, hash, max_window } = *how;
        let extent = Extent { from: point.byte(), len, growth, hash };
        let mut byte = [0];
        if let Place::Gzip { byte: place, member: Some(member) } = &point.place
            && member.bits > 0
        {
            // The block begins in the byte before.
            read_full_at(&*file, &mut byte, place.saturating_sub(1))?;
        }
        let feed = Feed::open(file, &extent)?;
        let (at, [byte]) = (point.at, byte);
        let (decoder, spacing): (Box<dyn Decoder>, _) = match &point.place {
            Place::Gzip { member, .. } => {
                let place = member.clone().map(|member| (member, byte));
                (Box::new(gzip::Gzip::open(&feed, at, place)?), gzip::SPACING)
            }
            Place::Zstd { .. } => {
                (Box::new(zstd::Zstd::open(&feed, at, max_window)?), zstd::SPACING)
            }
            Place::Bzip2 { bit, stream } => {
                let place = stream.map(|stream| (stream, *bit));
                (Box::new(bzip2::Bzip2::open(&feed, at, place)), bzip2::SPACING)
            }
            Place::Xz { stream, .. } => {
                (Box::new(xz::Xz::open(&feed, at, *stream, max_window)), xz::SPACING)
            }
        };
        let marks = Marks::new(spacing, at);
        Ok(Self { feed, decoder, marks, back: Vec::new(), failed: None })
    }

    /// The bytes that come next, as many as there is room for; fewer only at the end and before an error.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = self.back.len().min(out.len());
        let again: Vec<u8> = self.back.drain(..filled).collect();
        out.get_mut(..filled).unwrap_or_default().copy_from_slice(&again);
        while let Some(room) = out.get_mut(filled..).filter(|room| !room.is_empty()) {
            let step = match self.failed.take() {
                Some(fault) => Err(fault),
                None => self.decoder.step(&mut self.feed, room, &mut self.marks),
            };
            match step {
                Ok(Produced::Bytes(made)) => filled += made,
                Ok(Produced::End) => break,
                Err(fault) if filled > 0 => {
                    self.failed = Some(fault);
                    break;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(filled)
    }

    /// These bytes, which were read last, come again.
    fn unread(&mut self, bytes: &[u8]) {
        self.back.splice(..0, bytes.iter().copied());
    }

    /// The restart points that were passed since the last call.
    fn passed(&mut self) -> Vec<Arc<Point>> {
        self.marks.take().into_iter().map(Arc::new).collect()
    }

    /// How much of the file was read.
    fn seen(&self) -> feed::Seen {
        self.feed.seen()
    }

    /// How far the file is read.
    fn len(&self) -> u64 {
        self.feed.len()
    }
}

impl Point {
    /// The start of a file that is compressed like this. `None`: it is plain.
    pub(crate) fn start(compression: Compression) -> Option<Self> {
        let place = match compression {
            Compression::Detect | Compression::None => return None,
            Compression::Gzip => Place::Gzip { byte: 0, member: None },
            Compression::Zstd => Place::Zstd { byte: 0 },
            Compression::Bzip2 => Place::Bzip2 { bit: 0, stream: None },
            Compression::Xz => Place::Xz { byte: 0, stream: None },
        };
        Some(Self { at: 0, place })
    }
}
