//! The compressed bytes of a file, in order: what a decoder takes, and what its identity is made of.

use std::sync::Arc;

use piton_durable::fs::{FsFile, read_full_at};
use sha2::{Digest, Sha256};

use super::fault::Fault;
use crate::source::Growth;
use crate::source::identity::TAIL;

/// How much is read at a time.
const READ: usize = 64 << 10;
/// The most that [`Feed::peek`] can show.
pub(super) const MOST: usize = 4 << 10;
/// How far [`Feed::peek_from`] can look back.
const BACK: usize = 8;

/// A file from some place on, and how much of it was read.
pub(super) struct Feed {
    file: Arc<dyn FsFile>,
    growth: Growth,
    /// Where reading ends.
    len: u64,
    buffer: Vec<u8>,
    /// So many bytes of the buffer were read.
    filled: usize,
    /// The next byte for the decoder.
    next: usize,
    /// Where the buffer begins in the file.
    base: u64,
    /// The hash of everything that was read, if it is to be verified.
    hash: Option<Sha256>,
}

/// What of a file was read: a resume checks that it is still there.
#[derive(Debug, Clone, Default)]
pub(in crate::source) struct Seen {
    /// Everything before this was read.
    pub(in crate::source) read: u64,
    /// The last bytes of that.
    pub(in crate::source) tail: Vec<u8>,
    /// The hash of all of it, if it is to be verified.
    pub(in crate::source) hash: Option<Sha256>,
}

/// Where a feed begins, and how far it goes.
pub(super) struct Extent {
    pub(super) from: u64,
    pub(super) len: u64,
    pub(super) growth: Growth,
    /// Whether everything is to be hashed.
    pub(super) hash: bool,
}

impl Feed {
    /// The bytes of the file from here on. With a hash, those before are read too.
    pub(super) fn open(file: Arc<dyn FsFile>, extent: &Extent) -> Result<Self, Fault> {
        let Extent { from, len, growth, hash } = *extent;
        let base = from.saturating_sub(TAIL as u64);
        let hash = hash.then(|| super::super::identity::hash_up_to(&*file, base)).transpose()?;
        let (buffer, filled, next) = (vec![0; TAIL + BACK + MOST + READ], 0, 0);
        let mut feed = Self { file, growth, len, buffer, filled, next, base, hash };
        // The bytes before it belong to the identity.
        let known = usize::try_from(from - base).unwrap_or(TAIL);
        feed.read_more()?;
        feed.next = known.min(feed.filled);
        if feed.next < known {
            let (was, now) = (from, feed.base + feed.filled as u64);
            return Err(Fault::Shrunk { was, now });
        }
        Ok(feed)
    }

    /// The offset in the file of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.next as u64
    }

    /// How far the file is read.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The bytes that come next: at least so many, or all that are left. More than [`MOST`] cannot be asked for.
    pub(super) fn peek(&mut self, wanted: usize) -> Result<&[u8], Fault> {
        while self.filled - self.next < wanted.min(MOST) && self.read_more()? {}
        Ok(self.buffer.get(self.next..self.filled).unwrap_or_default())
    }

    /// The same from this offset of the file, which is at most [`BACK`] bytes before the next byte.
    pub(super) fn peek_from(&mut self, offset: u64, wanted: usize) -> Result<&[u8], Fault> {
        self.peek(wanted)?;
        let from = offset.checked_sub(self.base).and_then(|from| usize::try_from(from).ok());
        Ok(from.and_then(|from| self.buffer.get(from..self.filled)).unwrap_or_default())
    }

    /// So many of them are taken.
    pub(super) fn consume(&mut self, count: usize) {
        self.next = (self.next + count).min(self.filled);
    }

    /// The next byte, taken. `within` is what the file must not end in.
    pub(super) fn byte(&mut self, within: &'static str) -> Result<u8, Fault> {
        let [byte] = self.bytes(within)?;
        Ok(byte)
    }

    /// The next bytes, taken.
    pub(super) fn bytes<const N: usize>(&mut self, within: &'static str) -> Result<[u8; N], Fault> {
        let bytes = self.peek(N)?.first_chunk().copied();
        match bytes {
            Some(bytes) => {
                self.consume(N);
                Ok(bytes)
            }
            None => Err(self.cut(within)),
        }
    }

    /// The error that the file ends here, in the middle of something.
    pub(super) fn cut(&self, within: &'static str) -> Fault {
        Fault::Cut { within, at: self.base + self.filled as u64 }
    }

    /// What was read so far.
    pub(super) fn seen(&self) -> Seen {
        let tail = self.buffer.get(self.filled.saturating_sub(TAIL)..self.filled);
        Seen {
            read: self.base + self.filled as u64,
            tail: tail.unwrap_or_default().to_vec(),
            hash: self.hash.clone(),
        }
    }

    /// Reads on; `false`: there is no more.
    fn read_more(&mut self) -> Result<bool, Fault> {
        let at = self.base + self.filled as u64;
        if at >= self.len && !self.grows()? {
            return Ok(false);
        }
        // What was not taken stays, and the bytes that the position is known by.
        let keep = self.next.saturating_sub(BACK).min(self.filled.saturating_sub(TAIL));
        self.buffer.copy_within(keep..self.filled, 0);
        (self.base, self.filled, self.next) =
            (self.base + keep as u64, self.filled - keep, self.next - keep);
        let left = usize::try_from(self.len - at).unwrap_or(usize::MAX);
        let end = self.buffer.len().min(self.filled.saturating_add(left));
        let room = self.buffer.get_mut(self.filled..end).unwrap_or_default();
        let read = read_full_at(&*self.file, room, at)?;
        if let (Some(hash), Some(new)) = (&mut self.hash, room.get(..read)) {
            hash.update(new);
        }
        if read < room.len() {
            // It was cut while we read.
            return Err(Fault::Shrunk { was: self.len, now: at + read as u64 });
        }
        self.filled += read;
        Ok(read > 0)
    }

    /// Whether the file has grown and that is to be read too.
    fn grows(&mut self) -> Result<bool, Fault> {
        if self.growth == Growth::Refuse {
            return Ok(false);
        }
        let now = self.file.stat()?.len;
        let grows = now > self.len;
        self.len = self.len.max(now);
        Ok(grows)
    }
}
