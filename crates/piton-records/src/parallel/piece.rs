//! Pieces: whole records of a file that are processed as one.

use std::collections::BTreeSet;
use std::ops::{Bound, Range};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use piton_durable::crc::crc64;

use super::letters::Letter;
use super::plan::{Piece, Plan};
use super::worker::Failed;
use crate::error::Error;
use crate::record::{self, RecordRef};
use crate::source::{Batch, Behind, Position, Reader, SourceChange, Unit};
use crate::state::SourceState;

/// Buffers that are kept for the next batches.
const SPARE: usize = 4;

/// Records of a file that are processed as one. Where it ends depends on the file and the size of pieces alone.
#[derive(Clone)]
pub struct FilePiece {
    batch: Arc<Batch>,
    /// Which records of the batch.
    records: Range<usize>,
    /// Where they are in its buffer.
    bytes: Range<usize>,
    /// Records of the file before it.
    before: u64,
    /// The first record of the file, if that stands before each piece.
    header: Option<Arc<[u8]>>,
    /// Where its only record begins, if that is longer than allowed: its bytes are not here.
    too_long: Option<u64>,
    /// The CRC-64 of its bytes, when it was needed.
    key: OnceLock<u64>,
}

impl FilePiece {
    /// Its bytes, with what ends its records.
    pub fn bytes(&self) -> &[u8] {
        self.batch.bytes.get(self.bytes.clone()).unwrap_or_default()
    }

    /// The first record of the file, if the job keeps that apart.
    pub fn header(&self) -> Option<&[u8]> {
        self.header.as_deref()
    }

    /// Where it begins in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.too_long.unwrap_or(self.batch.base + self.bytes.start as u64)
    }

    /// The number of its first line, or of its first record, from 1.
    pub fn line(&self) -> u64 {
        self.before + 1
    }

    /// Records in it.
    pub fn count(&self) -> u64 {
        Piece::records(self)
    }

    /// A name that is the same in every attempt, and another one for every other piece of this file: where it begins, and
    /// a CRC-64 of what it holds. Fit for an `Idempotency-Key`.
    pub fn id(&self) -> String {
        record::id(self.offset(), self.key())
    }

    /// Its records.
    pub fn records(&self) -> impl Iterator<Item = RecordRef<'_>> {
        let mut start = self.bytes.start;
        let ends = self.batch.ends.get(self.records.clone()).unwrap_or_default();
        ends.iter().zip(self.before..).map(move |(&end, number)| {
            let from = std::mem::replace(&mut start, end);
            let raw = self.batch.bytes.get(from..end).unwrap_or_default();
            RecordRef {
                raw,
                framing: self.batch.framing,
                offset: self.batch.base + from as u64,
                number,
            }
        })
    }

    /// One of its records.
    pub(crate) fn only(&self, index: usize) -> Self {
        let at = self.records.start + index;
        let end = |at: usize| self.batch.ends.get(at).copied();
        let start = if index == 0 { None } else { end(at - 1) }.unwrap_or(self.bytes.start);
        let bytes = start..end(at).unwrap_or(start);
        Self {
            records: at..at + 1,
            bytes,
            before: self.before + index as u64,
            key: OnceLock::new(),
            ..self.clone()
        }
    }

    /// Where the file is done when this is.
    fn end_position(&self) -> Position {
        let bytes = self.batch.base + self.bytes.end as u64;
        Position { bytes, records: self.before + Piece::records(self) }
    }
}

impl Piece for FilePiece {
    fn start(&self) -> u64 {
        self.offset()
    }

    fn end(&self) -> u64 {
        self.end_position().bytes
    }

    fn records(&self) -> u64 {
        if self.too_long.is_some() { 1 } else { self.records.len() as u64 }
    }

    fn line(&self) -> u64 {
        self.before + 1
    }

    fn refused(&self) -> Option<String> {
        let len = self.end() - self.too_long?;
        Some(format!("the record has {len} bytes, which is more than allowed"))
    }

    fn letter(&self, failed: &Failed, attempts: u32) -> Letter {
        let letter = Letter {
            id: self.id(),
            offset: self.offset(),
            length: self.end() - self.offset(),
            line: self.before + 1,
            records: Piece::records(self),
            attempts,
            error: failed.why.clone(),
            stderr: String::from_utf8_lossy(&failed.stderr).into_owned(),
            data: None,
            data_base64: None,
        };
        match self.too_long {
            Some(_) => letter,
            None => letter.with_data(self.bytes()),
        }
    }

    fn key(&self) -> u64 {
        *self.key.get_or_init(|| crc64(self.bytes()))
    }

    fn halves(&self) -> Option<(Self, Self)> {
        let middle = self.records.start + self.records.len() / 2;
        let cut = self.batch.ends.get(middle.checked_sub(1)?).copied()?;
        if middle == self.records.start {
            return None;
        }
        let first = Self {
            records: self.records.start..middle,
            bytes: self.bytes.start..cut,
            key: OnceLock::new(),
            ..self.clone()
        };
        let second = Self {
            records: middle..self.records.end,
            bytes: cut..self.bytes.end,
            before: self.before + first.records.len() as u64,
            key: OnceLock::new(),
            ..self.clone()
        };
        Some((first, second))
    }
}

/// The pieces of a file, in order.
pub(crate) struct FilePlan {
    path: PathBuf,
    framing: String,
    reader: Reader,
    unit: Unit,
    batch: Arc<Batch>,
    /// The next record of the batch, and where it begins.
    index: usize,
    start: usize,
    /// Records of the file before that one.
    before: u64,
    header: Option<Arc<[u8]>>,
    /// Batches that pieces may still be made of, to use their buffers again.
    old: Vec<Arc<Batch>>,
    /// Whether a record that is too long becomes a piece of its own, which fails.
    pub(crate) long_ones: bool,
    /// Where pieces end beside their size.
    ends: BTreeSet<u64>,
    over: bool,
}

impl FilePlan {
    pub(crate) fn new(
        path: PathBuf,
        reader: Reader,
        batch: Batch,
        position: Position,
        unit: Unit,
    ) -> Self {
        let (framing, start) = (batch.framing.to_string(), batch.start);
        Self {
            path,
            framing,
            reader,
            unit,
            batch: Arc::new(batch),
            index: 0,
            start,
            before: position.records,
            header: None,
            old: Vec::new(),
            long_ones: false,
            ends: BTreeSet::new(),
            over: false,
        }
    }

    /// The first record of the file stands before each piece, and is in none of them.
    pub(crate) fn keep_header(&mut self) -> Result<(), Error> {
        if self.before > 0 {
            self.header = Some(self.reader.first_record()?.into());
            return Ok(());
        }
        let (mut batch, more) = self.reader.after(&self.batch, Vec::new(), Unit::Records(1));
        if more? {
            self.reader.take_only(&mut batch, 1);
            let end = batch.ends.first().copied().unwrap_or(batch.start);
            let header = batch.bytes.get(batch.start..end).unwrap_or_default();
            self.header = Some(header.into());
            (self.index, self.start, self.before) = (1, end, 1);
        } else {
            self.over = true;
        }
        self.batch = Arc::new(batch);
        Ok(())
    }

    /// Where it begins.
    pub(crate) fn begin(&self) -> Behind {
        let bytes = self.batch.base + self.start as u64;
        self.reader.behind(&self.batch, Position { bytes, records: self.before })
    }

    fn refill(&mut self) -> Result<bool, Error> {
        let buffer = self.spare();
        let (mut batch, more) = self.reader.after(&self.batch, buffer, self.unit);
        if let Some(records) = self.cut(&batch) {
            self.reader.take_only(&mut batch, records);
        }
        let old = std::mem::replace(&mut self.batch, Arc::new(batch));
        self.old.push(old);
        (self.index, self.start) = (0, self.batch.start);
        more
    }

    /// How many records of a batch come before the first place where an earlier run has ended a piece. What is behind it
    /// comes again in the next batch: so the pieces from there on are those of before.
    fn cut(&self, batch: &Batch) -> Option<usize> {
        let taken = batch.ends.get(..batch.taken)?;
        let (from, to) = (batch.base + batch.start as u64, batch.base + *taken.last()? as u64);
        let mut inside =
            self.ends.range((Bound::Excluded(from), Bound::Excluded(to.max(from + 1))));
        let index = |end: &u64| taken.binary_search(&usize::try_from(end - batch.base).ok()?).ok();
        inside.find_map(index).map(|at| at + 1)
    }

    /// The record that begins at `offset` is longer than allowed.
    fn long_one(&mut self, offset: u64) -> Result<FilePiece, Error> {
        let batch = Arc::new(self.reader.skip_record(&self.batch)?);
        self.batch = Arc::clone(&batch);
        (self.index, self.start) = (0, batch.start);
        let bytes = batch.start..batch.start;
        let (before, header) = (self.before, self.header.clone());
        self.before += 1;
        Ok(FilePiece {
            batch,
            records: 0..0,
            bytes,
            before,
            header,
            too_long: Some(offset),
            key: OnceLock::new(),
        })
    }

    /// A buffer that no piece is made of any more.
    fn spare(&mut self) -> Vec<u8> {
        let mut spare = None;
        for batch in std::mem::take(&mut self.old) {
            match Arc::try_unwrap(batch) {
                Ok(free) => spare = Some(free.bytes),
                Err(used) => self.old.push(used),
            }
        }
        self.old.truncate(SPARE);
        spare.unwrap_or_default()
    }

    fn differs(&self, change: SourceChange) -> Error {
        Error::SourceChanged { path: self.path.clone(), change }
    }
}

impl Plan for FilePlan {
    type Piece = FilePiece;
    type Behind = Behind;

    fn end_at(&mut self, ends: BTreeSet<u64>) {
        self.ends = ends;
    }

    fn next(&mut self) -> Result<Option<FilePiece>, Error> {
        if self.over {
            return Ok(None);
        }
        if self.index >= self.batch.taken {
            match self.refill() {
                Ok(true) => {}
                Ok(false) => {
                    self.over = true;
                    return Ok(None);
                }
                Err(Error::RecordTooLong { offset, .. }) if self.long_ones => {
                    return self.long_one(offset).map(Some);
                }
                Err(error) => {
                    self.over = true;
                    return Err(error);
                }
            }
        }
        let taken = self.batch.ends.get(..self.batch.taken).unwrap_or_default();
        let last = self.unit.end(taken, self.index, self.start).unwrap_or(taken.len());
        let end = last.checked_sub(1).and_then(|last| taken.get(last).copied());
        let end = end.unwrap_or(self.start);
        let piece = FilePiece {
            batch: Arc::clone(&self.batch),
            records: self.index..last,
            bytes: self.start..end,
            before: self.before,
            header: self.header.clone(),
            too_long: None,
            key: OnceLock::new(),
        };
        self.before += (last - self.index) as u64;
        (self.index, self.start) = (last, end);
        Ok(Some(piece))
    }

    fn behind(&self, piece: &FilePiece) -> Behind {
        self.reader.behind(&piece.batch, piece.end_position())
    }

    fn position(&self, behind: &Behind) -> (u64, u64) {
        (behind.position.bytes, behind.position.records)
    }

    fn state(&mut self, behind: &Behind) -> Result<SourceState, Error> {
        let path = self.path.to_string_lossy().into_owned();
        self.reader.state(path, self.framing.clone(), behind)
    }

    fn changed(&self, from: u64, to: u64) -> Error {
        self.differs(SourceChange::Ahead { from, to })
    }

    fn whole(&self) -> Option<u64> {
        self.reader.whole()
    }
}
