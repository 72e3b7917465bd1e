//! A plain local file, read in batches: a batch is one buffer and the ends of its records.

mod batch;
mod identity;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Fs, FsFile, Open, read_full_at};
use sha2::Digest;

pub(crate) use batch::{Batch, Unit};
use batch::{advance, advance_into};
pub(crate) use identity::{Behind, Identity};
pub use identity::{Changed, Growth, Position, SourceChange};
use identity::{HEAD, Print, TAIL, hash_up_to, hex};

use crate::error::Error;
use crate::framing::{Ending, Framing, Scanner};

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) framing: Framing,
    pub(crate) max_record: u64,
    pub(crate) growth: Growth,
    pub(crate) changed: Changed,
    pub(crate) verify: bool,
}

/// Reads a file in order, batch after batch.
pub(crate) struct Reader {
    path: PathBuf,
    file: Arc<dyn FsFile>,
    scanner: Scanner,
    reading: Reading,
    /// Where reading ends.
    len: u64,
    /// Where the next read begins.
    at: u64,
    /// Records in all batches so far.
    records: u64,
    /// The first bytes of the file.
    head: Vec<u8>,
    head_print: Option<Print>,
    device: u64,
    inode: u64,
}

impl Reader {
    /// Opens the file at `path`, to continue at this position of what was read before, or from its start.
    pub(crate) fn open(
        fs: &dyn Fs,
        path: &Path,
        reading: Reading,
        before: Option<(Position, &Identity)>,
    ) -> Result<(Self, Batch), Error> {
        let not_a_file = || Error::NotAFile { path: path.to_owned() };
        // Before it is opened: that waits for a FIFO.
        if fs.stat(path).map_err(Error::io("inspect", path))?.is_some_and(|there| !there.is_file) {
            return Err(not_a_file());
        }
        let file = fs.open(path, Open::Read).map_err(Error::io("open", path))?;
        let stat = file.stat().map_err(Error::io("inspect", path))?;
        if !stat.is_file {
            return Err(not_a_file());
        }
        let read = Error::io("read", path);
        let position = before.map_or(Position::default(), |(position, _)| position);
        let differs = |change| Error::SourceChanged { path: path.to_owned(), change };
        let len = match before {
            None => stat.len,
            Some(_) if reading.changed == Changed::Rebase => match stat.len < position.bytes {
                true => {
                    let position = position.bytes;
                    return Err(differs(SourceChange::EndsBefore { position, len: stat.len }));
                }
                false => stat.len,
            },
            Some((_, identity)) => identity
                .check(&*file, position.bytes, stat.len, reading.growth)
                .map_err(read)?
                .map_err(differs)?,
        };
        let hash = match reading.verify {
            true => Some(hash_up_to(&*file, position.bytes).map_err(Error::io("read", path))?),
            false => None,
        };
        if let (Some(hash), Some((_, Identity { sha256: Some(wanted), .. })), Changed::Stop) =
            (&hash, before, reading.changed)
            && hex(hash.clone()) != *wanted
        {
            return Err(differs(SourceChange::Digest { position: position.bytes }));
        }
        let mut head = vec![0; HEAD.min(usize::try_from(len).unwrap_or(HEAD))];
        let filled = read_full_at(&*file, &mut head, 0).map_err(Error::io("read", path))?;
        head.truncate(filled);
        let known = usize::try_from(position.bytes).unwrap_or(TAIL).min(TAIL);
        let base = position.bytes - known as u64;
        let mut bytes = vec![0; known];
        let filled = read_full_at(&*file, &mut bytes, base).map_err(Error::io("read", path))?;
        if filled < known {
            let position = position.bytes;
            return Err(differs(SourceChange::EndsBefore { position, len: base + filled as u64 }));
        }
        let open_end = before.is_some_and(|(_, identity)| identity.open_end);
        let framing = reading.framing;
        let batch = Batch {
            bytes,
            filled: known,
            base,
            start: known,
            open_end,
            hash,
            ..Batch::empty(framing)
        };
        let reader = Self {
            path: path.to_owned(),
            file,
            scanner: framing.scanner(),
            reading,
            len,
            at: position.bytes,
            records: position.records,
            head,
            head_print: None,
            device: stat.id.device,
            inode: stat.id.inode,
        };
        Ok((reader, batch))
    }

    /// How far it is read.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The batch after this one, in the same buffer if that is free. The second value says whether there is
    /// one; if not, or after an error, the first still has the bytes before the position.
    pub(crate) fn next(&mut self, batch: Batch) -> (Batch, Result<bool, Error>) {
        let mut batch = advance(batch);
        let result = self.fill(&mut batch, Unit::Records(1));
        (batch, result)
    }

    /// The batch after this one, which stays as it is, in this buffer. It holds whole units, as far as the source goes.
    pub(crate) fn after(
        &mut self,
        batch: &Batch,
        buffer: Vec<u8>,
        unit: Unit,
    ) -> (Batch, Result<bool, Error>) {
        let mut batch = advance_into(batch, buffer);
        let result = self.fill(&mut batch, unit);
        (batch, result)
    }

    /// The first record of the file, as it is, before anything was read.
    pub(crate) fn first_record(&mut self) -> Result<Vec<u8>, Error> {
        let (at, records) = (self.at, self.records);
        (self.at, self.records) = (0, 0);
        let mut batch = Batch::empty(self.reading.framing);
        let more = self.fill(&mut batch, Unit::Records(1));
        (self.at, self.records) = (at, records);
        self.scanner = self.reading.framing.scanner();
        let first = more?.then(|| batch.ends.first().copied()).flatten().unwrap_or(0);
        Ok(batch.bytes.get(..first).unwrap_or_default().to_vec())
    }

    /// Only the first record of this batch, which was read last, counts.
    pub(crate) fn take_one(&mut self, batch: &mut Batch) {
        self.records -= (batch.taken as u64).saturating_sub(1);
        batch.taken = batch.taken.min(1);
    }

    /// Passes the record that comes next, whatever its length, without keeping it.
    pub(crate) fn skip_record(&mut self, batch: &Batch) -> Result<Batch, Error> {
        self.scanner = self.reading.framing.scanner();
        let mut hash = batch.hash_up_to(batch.start);
        let mut tail = batch.bytes.get(..batch.start).unwrap_or_default().to_vec();
        let (mut ends, mut open_end) = (Vec::new(), false);
        let mut buffer = vec![0; batch::READ];
        while ends.is_empty() {
            let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let room = buffer.get_mut(..left.min(batch::READ)).unwrap_or_default();
            let read = read_full_at(&*self.file, room, self.at);
            let read = read.map_err(Error::io("read", &self.path))?;
            if read == 0 {
                open_end = true;
                break;
            }
            let new = buffer.get(..read).unwrap_or_default();
            self.scanner.scan(new, &mut ends);
            let new = new.get(..ends.first().copied().unwrap_or(read)).unwrap_or_default();
            if let Some(hash) = &mut hash {
                hash.update(new);
            }
            tail.extend_from_slice(new);
            tail.drain(..tail.len().saturating_sub(identity::TAIL));
            self.at += new.len() as u64;
        }
        if self.scanner.ending() == Ending::InQuotes && open_end {
            let (path, offset) = (self.path.clone(), batch.base + batch.start as u64);
            return Err(Error::UnclosedQuote { path, offset, record: self.records + 1 });
        }
        self.scanner = self.reading.framing.scanner();
        self.records += 1;
        let (filled, base) = (tail.len(), self.at - tail.len() as u64);
        let empty = Batch::empty(self.reading.framing);
        Ok(Batch { bytes: tail, filled, base, start: filled, open_end, hash, ..empty })
    }

    fn fill(&mut self, batch: &mut Batch, unit: Unit) -> Result<bool, Error> {
        loop {
            if let Some(taken) = unit.whole(batch) {
                return Ok(self.take(batch, taken));
            }
            let filled = batch.filled;
            let left = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let wanted = unit.read(filled - batch.start).min(left);
            if wanted == 0 && !self.grows(batch)? {
                self.end(batch)?;
                let rest = batch.ends.len();
                return Ok(self.take(batch, rest));
            }
            if batch.bytes.len() < filled + wanted {
                batch.bytes.resize(filled + wanted, 0);
            }
            let room = batch.bytes.get_mut(filled..filled + wanted).unwrap_or_default();
            let read = read_full_at(&*self.file, room, self.at);
            let read = read.map_err(Error::io("read", &self.path))?;
            batch.filled += read;
            if read < wanted {
                // It was cut while we read.
                let (was, now) = (self.len, self.at + read as u64);
                let change = SourceChange::Shrunk { was, now };
                return Err(Error::SourceChanged { path: self.path.clone(), change });
            }
            self.at += read as u64;
            let (new, first) = (batch.bytes.get(filled..batch.filled), batch.ends.len());
            self.scanner.scan(new.unwrap_or_default(), &mut batch.ends);
            let new = batch.ends.get_mut(first..).unwrap_or_default();
            new.iter_mut().for_each(|end| *end += filled);
            if self.ends_before_a_long_record(batch)? {
                let rest = batch.ends.len();
                return Ok(self.take(batch, rest));
            }
        }
    }

    /// So many records of the batch count.
    fn take(&mut self, batch: &mut Batch, taken: usize) -> bool {
        batch.taken = taken;
        self.records += taken as u64;
        taken > 0
    }

    /// Whether the source has grown and that is to be read too.
    fn grows(&mut self, batch: &Batch) -> Result<bool, Error> {
        if self.reading.growth == Growth::Refuse {
            return Ok(false);
        }
        let now = self.file.stat().map_err(Error::io("inspect", &self.path))?.len;
        let grows = now > self.len;
        if grows && batch.open_end {
            let change = SourceChange::LastRecordGrew { was: self.len, now };
            return Err(Error::SourceChanged { path: self.path.clone(), change });
        }
        self.len = self.len.max(now);
        Ok(grows)
    }

    /// The end of the source: what is left is a record.
    fn end(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let known = batch.ends.last().copied().unwrap_or(batch.start);
        if batch.filled == known || self.reading.growth == Growth::Follow {
            return Ok(());
        }
        if self.scanner.ending() == Ending::InQuotes {
            let (path, offset) = (self.path.clone(), batch.base + known as u64);
            let record = self.records + batch.ends.len() as u64 + 1;
            return Err(Error::UnclosedQuote { path, offset, record });
        }
        let now = self.file.stat().map_err(Error::io("inspect", &self.path))?.len;
        if now > self.len {
            // Somebody is appending to it: this is half a record.
            let change = SourceChange::LastRecordGrew { was: self.len, now };
            return Err(Error::SourceChanged { path: self.path.clone(), change });
        }
        batch.open_end = true;
        batch.ends.push(batch.filled);
        Ok(())
    }

    /// Whether a record that is too long follows those in the batch, which come first.
    fn ends_before_a_long_record(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        let limit = match self.reading.framing {
            // The user has chosen it.
            Framing::Chunks(_) => return Ok(false),
            _ => self.reading.max_record,
        };
        if (batch.filled - batch.start) as u64 <= limit {
            return Ok(false);
        }
        let mut start = batch.start;
        let ends = batch.ends.iter().copied().chain([batch.filled]);
        let long = ends.enumerate().find_map(|(index, end)| {
            let from = std::mem::replace(&mut start, end);
            ((end - from) as u64 > limit).then_some((index, from))
        });
        let Some((index, from)) = long else { return Ok(false) };
        // The records before it come first; then it is the first one.
        self.at = batch.base + from as u64;
        batch.filled = from;
        batch.ends.truncate(index);
        self.scanner = self.reading.framing.scanner();
        if index > 0 {
            return Ok(true);
        }
        Err(Error::RecordTooLong {
            path: self.path.clone(),
            offset: batch.base + from as u64,
            record: self.records + 1,
            limit,
        })
    }

    /// What is known of the source when everything before this place of the batch is done.
    pub(crate) fn behind(&self, batch: &Batch, position: Position) -> Behind {
        let at = usize::try_from(position.bytes.saturating_sub(batch.base)).unwrap_or(usize::MAX);
        let at = at.min(batch.filled);
        let tail = batch.read().get(at.saturating_sub(TAIL)..at).unwrap_or_default();
        let open_end = batch.open_end && at == batch.filled;
        let sha256 = batch.hash_up_to(at).map(hex);
        Behind { position, tail: Print::of(tail), open_end, sha256 }
    }

    /// The same as the state of a job has it.
    pub(crate) fn identity(&mut self, behind: &Behind) -> Identity {
        let position = behind.position.bytes;
        let head_len = usize::try_from(position).unwrap_or(HEAD).min(self.head.len());
        let whole = head_len == HEAD;
        let head = match &self.head_print {
            Some(print) if whole => print.clone(),
            _ => Print::of(self.head.get(..head_len).unwrap_or_default()),
        };
        if whole && self.head_print.is_none() {
            self.head_print = Some(head.clone());
        }
        Identity {
            len: self.len,
            head,
            tail: behind.tail.clone(),
            open_end: behind.open_end,
            sha256: behind.sha256.clone(),
            device: self.device,
            inode: self.inode,
        }
    }
}
