//! What a job hands out.

use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

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
    /// Its bytes, without what ends it.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.batch.framing.trim(self.raw())
    }

    /// Its bytes, all of them.
    #[inline]
    pub fn raw(&self) -> &[u8] {
        self.batch.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where it begins in the source, in bytes.
    pub fn offset(&self) -> u64 {
        self.batch.base + self.start as u64
    }

    /// The number of its line, or of its record, from 1.
    pub fn line(&self) -> u64 {
        self.number + 1
    }

    /// A name that is the same in every attempt, and another one for every other record of this source: where
    /// it begins, and a hash of what it holds. Fit for an `Idempotency-Key`.
    pub fn id(&self) -> String {
        let hash = blake3::hash(self.raw());
        let short: String =
            hash.as_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{:x}-{short}", self.offset())
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
        let text = String::from_utf8_lossy(self.bytes());
        f.debug_struct("Record").field("offset", &self.offset()).field("text", &text).finish()
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
