//! Where a job begins that another program has begun.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use piton_durable::crc::crc64;
use piton_durable::fs::Fs;

use crate::error::Error;
use crate::parallel::mixed_of;
use crate::source::{Batch, Identity, Position, Reader, Reading, Restart};
use crate::state::{Ahead, SourceState};

/// What of a source is done before the first run of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// So many records, from the first one on.
    Records(u64),
    /// Everything before this byte, which a record begins at.
    Bytes(u64),
    /// The records with these numbers, from 1. If one before them is missing, results must be allowed in any order, and
    /// pieces be single records.
    Done(BTreeSet<u64>),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records(records) => write!(f, "{records} records are done"),
            Self::Bytes(bytes) => write!(f, "{bytes} bytes are done"),
            Self::Done(done) => {
                write!(f, "record {} is done", done.last().copied().unwrap_or_default())
            }
        }
    }
}

/// What is done, found in the source.
pub(crate) struct Found {
    path: String,
    framing: String,
    position: Position,
    identity: Identity,
    /// Where decoding starts, if the source is compressed.
    restart: Option<Restart>,
    /// Behind that.
    ahead: Vec<Ahead>,
}

impl Found {
    fn new(
        path: &Path,
        reader: &mut Reader,
        batch: &Batch,
        position: Position,
    ) -> Result<Self, Error> {
        let (identity, restart) = reader.identity(&reader.behind(batch, position))?;
        let (path, framing) = (path.to_string_lossy().into_owned(), batch.framing.to_string());
        Ok(Self { path, framing, position, identity, restart, ahead: Vec::new() })
    }

    /// The position is in this batch.
    fn describe(&mut self, reader: &mut Reader, batch: &Batch) -> Result<(), Error> {
        let behind = reader.behind(batch, self.position);
        (self.identity, self.restart) = reader.identity(&behind)?;
        Ok(())
    }

    /// The source as a commit has it, and what is done behind its position.
    pub(crate) fn into_parts(self) -> (SourceState, Vec<Ahead>) {
        let Self { path, framing, position, identity, restart, ahead } = self;
        let restart = restart.map(Box::new);
        (SourceState::File { path, framing, position, identity, restart }, ahead)
    }
}

impl Start {
    /// Passes through the source, as far as it is done.
    pub(crate) fn find(&self, fs: &dyn Fs, path: &Path, reading: Reading) -> Result<Found, Error> {
        let (mut reader, mut batch) = Reader::open(fs, path, reading, None)?;
        let mut done = Position::default();
        let mut found = Found::new(path, &mut reader, &batch, done)?;
        let mut touches = true;
        loop {
            if self.is_all(done) {
                return Ok(found);
            }
            let (next, more) = reader.next(batch);
            batch = next;
            if !more? {
                let (path, start) = (path.to_owned(), self.clone());
                return Err(Error::StartBeyondEnd { path, start, end: done });
            }
            let (mut from, before) = (batch.start, done.records);
            let ends = batch.ends.get(..batch.taken).unwrap_or_default().to_vec();
            for (end, number) in ends.into_iter().zip(before + 1..) {
                let start = done;
                done = Position { bytes: batch.base + end as u64, records: number };
                let is_done = match self {
                    Self::Records(records) => number <= *records,
                    Self::Bytes(bytes) if start.bytes < *bytes && *bytes < done.bytes => {
                        let (path, offset) = (path.to_owned(), *bytes);
                        return Err(Error::StartWithinRecord { path, offset });
                    }
                    Self::Bytes(bytes) => done.bytes <= *bytes,
                    Self::Done(numbers) => numbers.contains(&number),
                };
                touches &= is_done;
                if touches {
                    found.position = done;
                } else if is_done {
                    let key = crc64(batch.bytes.get(from..end).unwrap_or_default());
                    let key = mixed_of(start.bytes, done.bytes, key);
                    add(&mut found.ahead, start.bytes, done.bytes, key);
                }
                from = end;
                if self.is_all(done) {
                    break;
                }
            }
            if found.position.bytes >= batch.base + batch.start as u64 {
                found.describe(&mut reader, &batch)?;
            }
        }
    }

    /// Whether nothing behind this place is done.
    fn is_all(&self, done: Position) -> bool {
        match self {
            Self::Records(records) => done.records >= *records,
            Self::Bytes(bytes) => done.bytes >= *bytes,
            Self::Done(numbers) => numbers.last().is_none_or(|last| done.records >= *last),
        }
    }
}

/// One more record is done behind the position. Those that touch are one.
fn add(ahead: &mut Vec<Ahead>, from: u64, to: u64, key: u64) {
    match ahead.last_mut() {
        Some(last) if last.to == from => {
            let (from, key) = (last.from, last.key ^ key);
            *last = Ahead { from, to, records: last.records + 1, key };
        }
        _ => ahead.push(Ahead { from, to, records: 1, key }),
    }
}
