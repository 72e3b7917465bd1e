//! What a job hands out.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use piton_durable::crc::crc64;

use crate::framing::Framing;
use crate::source::Batch;

/// Something that results can be written for.
pub trait Entry {
    /// Its number in the job: 0 for the first.
    fn number(&self) -> u64;
}

/// A record of a file: a slice of the buffer that it was read into, cheap to clone.
#[derive(Clone)]
pub struct Record {
    pub(crate) batch: Rc<Batch>,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) number: u64,
}

impl Record {
    /// The same, borrowed.
    #[inline]
    pub fn borrowed(&self) -> RecordRef<'_> {
        let raw = self.batch.bytes.get(self.start..self.end).unwrap_or_default();
        let offset = self.batch.base + self.start as u64;
        RecordRef { raw, framing: self.batch.framing, offset, number: self.number }
    }

    /// Its bytes, without what ends it.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.borrowed().bytes()
    }

    /// Its bytes, all of them.
    #[inline]
    pub fn raw(&self) -> &[u8] {
        self.borrowed().raw
    }

    /// Where it begins in the source, in bytes.
    pub fn offset(&self) -> u64 {
        self.borrowed().offset
    }

    /// The number of its line, or of its record, from 1.
    pub fn line(&self) -> u64 {
        self.borrowed().line()
    }

    /// As [`RecordRef::id`].
    pub fn id(&self) -> String {
        self.borrowed().id()
    }
}

/// A record of a file, borrowed from the buffer that it was read into.
#[derive(Clone, Copy)]
pub struct RecordRef<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) framing: Framing,
    pub(crate) offset: u64,
    pub(crate) number: u64,
}

impl<'a> RecordRef<'a> {
    /// Its bytes, without what ends it.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.framing.trim(self.raw)
    }

    /// Its bytes, all of them.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Where it begins in the source, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of its line, or of its record, from 1.
    pub fn line(&self) -> u64 {
        self.number + 1
    }

    /// A name that is the same in every attempt, and another one for every other record of this source: where
    /// it begins, and a CRC-64 of what it holds. Fit for an `Idempotency-Key`.
    pub fn id(&self) -> String {
        id(self.offset, crc64(self.raw))
    }
}

/// The name of what begins at `offset` and has this CRC-64.
pub(crate) fn id(offset: u64, key: u64) -> String {
    format!("{offset:x}-{key:016x}")
}

impl Deref for RecordRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.bytes());
        f.debug_struct("Record").field("offset", &self.offset).field("text", &text).finish()
    }
}

impl Entry for Record {
    #[inline]
    fn number(&self) -> u64 {
        self.number
    }
}

impl Deref for Record {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Record {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrowed().fmt(f)
    }
}

/// A value of a range, or of the program's own iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    number: u64,
    /// The value.
    pub value: T,
}

impl<T> Item<T> {
    pub(crate) fn new(number: u64, value: T) -> Self {
        Self { number, value }
    }
}

impl<T> Entry for Item<T> {
    fn number(&self) -> u64 {
        self.number
    }
}

impl<T> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
