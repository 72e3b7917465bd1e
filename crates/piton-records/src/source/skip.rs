//! The first record of a source, and records that are too long to be kept.

use sha2::Digest;

use super::coded::{Decoded, Entry, Opening, Point};
use super::{Batch, Input, Reader, Unit, batch, identity};
use crate::error::Error;
use crate::framing::Ending;

impl Reader {
    /// The first record of the file, as it is, before anything was read.
    pub(crate) fn first_record(&mut self) -> Result<Vec<u8>, Error> {
        let start = self.at_start()?;
        let (input, records) = (std::mem::replace(&mut self.input, start), self.records);
        self.records = 0;
        let mut batch = Batch::empty(self.reading.framing);
        let more = self.fill(&mut batch, Unit::Records(1));
        (self.input, self.records) = (input, records);
        self.scanner = self.reading.framing.scanner();
        let first = more?.then(|| batch.ends.first().copied()).flatten().unwrap_or(0);
        Ok(batch.bytes.get(..first).unwrap_or_default().to_vec())
    }

    /// The bytes of the file from its start.
    fn at_start(&self) -> Result<Input, Error> {
        let Input::Coded(decoded) = &self.input else { return Ok(Input::Plain { at: 0 }) };
        let Some(point) = Point::start(decoded.compression()) else {
            return Ok(Input::Plain { at: 0 });
        };
        let entry = Entry { point, restart: None, position: 0, checked: true };
        let how = Opening {
            len: self.len,
            growth: self.reading.growth,
            hash: false,
            max_window: self.reading.max_window,
        };
        let opened = Decoded::open(&self.file, entry, &how);
        let (decoded, _) = opened.map_err(|fault| fault.of(&self.path))?;
        Ok(Input::Coded(Box::new(decoded)))
    }

    /// Only so many records of this batch, which was read last, count.
    pub(crate) fn take_only(&mut self, batch: &mut Batch, records: usize) {
        self.records -= batch.taken.saturating_sub(records) as u64;
        batch.taken = batch.taken.min(records);
    }

    /// Passes the record that comes next, whatever its length, without keeping it.
    pub(crate) fn skip_record(&mut self, batch: &Batch) -> Result<Batch, Error> {
        self.scanner = self.reading.framing.scanner();
        let mut hash = batch.hash_up_to(batch.start);
        let mut tail = batch.bytes.get(..batch.start).unwrap_or_default().to_vec();
        let (mut ends, mut open_end) = (Vec::new(), false);
        let offset = batch.base + batch.start as u64;
        // What is read at a time, at the place where it is in the source.
        let (base, trace) = (offset, batch.trace.clone());
        let mut some = Batch { base, trace, ..Batch::empty(self.reading.framing) };
        while ends.is_empty() {
            some.filled = 0;
            let read = self.read(&mut some, batch::READ)?;
            if read == 0 {
                open_end = true;
                break;
            }
            self.scanner.scan(some.read(), &mut ends);
            let used = ends.first().copied().unwrap_or(read);
            let (new, rest) = some.read().split_at_checked(used).unwrap_or_default();
            if let Some(hash) = &mut hash {
                hash.update(new);
            }
            tail.extend_from_slice(new);
            tail.drain(..tail.len().saturating_sub(identity::TAIL));
            let next = some.base + used as u64;
            self.input.unread(next, rest);
            some.base = next;
        }
        if self.scanner.ending() == Ending::InQuotes && open_end {
            let path = self.path.clone();
            return Err(Error::UnclosedQuote { path, offset, record: self.records + 1 });
        }
        self.scanner = self.reading.framing.scanner();
        self.records += 1;
        let (filled, base, trace) = (tail.len(), some.base - tail.len() as u64, some.trace);
        let empty = Batch::empty(self.reading.framing);
        Ok(Batch { bytes: tail, filled, base, start: filled, open_end, hash, trace, ..empty })
    }
}
