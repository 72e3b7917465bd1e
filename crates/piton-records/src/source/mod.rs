//! A local file, plain or compressed, read in batches: a batch is one buffer and the ends of its records.

mod batch;
mod before;
pub(crate) mod coded;
mod identity;
mod known;
mod rotated;
mod skip;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Fs, FsFile, Open, read_full_at};

pub(crate) use batch::{Batch, Unit};
use batch::{advance, advance_into};
pub(crate) use before::{Before, MAX_RECORD, MAX_WINDOW, Reading};
pub use coded::Compression;
use coded::{Decoded, Entry, Opening};
pub(crate) use coded::{Point, Restart};
pub(crate) use identity::{Behind, Identity};
pub use identity::{Changed, Growth, Position, SourceChange};
use identity::{HEAD, Print, TAIL, hash_up_to};

use crate::error::Error;
use crate::framing::{Ending, Framing, Scanner};

/// Where the bytes come from.
enum Input {
    /// The file itself.
    Plain {
        /// Where the next read begins.
        at: u64,
    },
    Coded(Box<Decoded>),
}

impl Input {
    /// These bytes, which were read last and begin here, come again.
    fn unread(&mut self, offset: u64, bytes: &[u8]) {
        match self {
            Self::Plain { at } => *at = offset,
            Self::Coded(decoded) => decoded.unread(bytes),
        }
    }
}

/// Reads a file in order, batch after batch.
pub(crate) struct Reader {
    path: PathBuf,
    file: Arc<dyn FsFile>,
    scanner: Scanner,
    reading: Reading,
    input: Input,
    /// Where reading ends, in bytes of the file.
    len: u64,
    /// Records in all batches so far.
    records: u64,
    began: Position,
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
        before: Option<Before<'_>>,
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
        let (mut before, mut len) = (before, stat.len);
        let moved = before.as_ref().is_some_and(|known| {
            (known.identity.device, known.identity.inode) != (stat.id.device, stat.id.inode)
        });
        if moved && reading.changed == Changed::FromStart {
            before = None;
        }
        if let Some(known) = &before
            && moved
            && reading.growth == Growth::Follow
            && reading.changed == Changed::Stop
            && let Some(old) = rotated::find(fs, path, known.identity, known.read())
        {
            // Also if nothing of it was read, or the new one begins as it does.
            return Err(Error::SourceRotated { path: path.to_owned(), old });
        }
        if let Some(known) = &before {
            match known.check(&*file, path, stat.len, reading) {
                Ok(checked) => len = checked,
                Err(Error::SourceChanged { .. }) if reading.changed == Changed::FromStart => {
                    before = None;
                }
                Err(error) => return Err(error),
            }
        }
        let mut head = vec![0; HEAD.min(usize::try_from(len).unwrap_or(HEAD))];
        let filled = read_full_at(&*file, &mut head, 0).map_err(Error::io("read", path))?;
        head.truncate(filled);
        let (scanner, position) = (reading.framing.scanner(), Before::position(before.as_ref()));
        let (input, batch) = Self::enter(&file, path, reading, before, (&head, len))?;
        let mut reader = Self {
            path: path.to_owned(),
            file,
            input,
            scanner,
            reading,
            len,
            records: position.records,
            began: position,
            head,
            head_print: None,
            device: stat.id.device,
            inode: stat.id.inode,
        };
        let mut batch = batch;
        if reading.changed == Changed::Rebase {
            // What the commit says of the bytes before the position is not true any more.
            reader.catch_up(&mut batch)?;
        }
        Ok((reader, batch))
    }

    /// The bytes from the position on, and a batch that ends there.
    fn enter(
        file: &Arc<dyn FsFile>,
        path: &Path,
        reading: Reading,
        before: Option<Before<'_>>,
        (head, len): (&[u8], u64),
    ) -> Result<(Input, Batch), Error> {
        let Position { bytes: position, .. } = Before::position(before.as_ref());
        let open_end = before.as_ref().is_some_and(|before| before.identity.open_end);
        let batch = Batch { open_end, ..Batch::empty(reading.framing) };
        // Of a file that was empty when the job began nothing is known yet.
        let before = before.filter(|before| before.identity.len > 0 || before.restart.is_some());
        let (restart, point) = match before.map(|before| before.restart) {
            None => {
                let found = match reading.compression {
                    Compression::Detect => Compression::of(head),
                    chosen => chosen,
                };
                (None, Point::start(found))
            }
            Some(None) => (None, None),
            Some(Some((restart, point))) => (Some(restart), Some(point)),
        };
        if let Some(point) = point {
            let checked = reading.changed == Changed::Stop;
            let entry = Entry { point, restart, position, checked };
            let Reading { growth, verify: hash, max_window, .. } = reading;
            let how = Opening { len, growth, hash, max_window };
            let opened = Decoded::open(file, entry, &how).map_err(|fault| fault.of(path))?;
            let (decoded, trace) = opened;
            let batch = Batch { base: position, trace: Some(Arc::new(trace)), ..batch };
            return Ok((Input::Coded(Box::new(decoded)), batch));
        }
        let hash = match reading.verify {
            true => Some(hash_up_to(&**file, position).map_err(Error::io("read", path))?),
            false => None,
        };
        let known = usize::try_from(position).unwrap_or(TAIL).min(TAIL);
        let base = position - known as u64;
        let mut bytes = vec![0; known];
        let filled = read_full_at(&**file, &mut bytes, base).map_err(Error::io("read", path))?;
        if filled < known {
            let change = SourceChange::EndsBefore { position, len: base + filled as u64 };
            return Err(Error::SourceChanged { path: path.to_owned(), change });
        }
        let batch = Batch { bytes, filled: known, base, start: known, hash, ..batch };
        Ok((Input::Plain { at: position }, batch))
    }

    /// Decodes what lies between the restart point and the position, if that was not done yet.
    fn catch_up(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Input::Coded(decoded) = &mut self.input else { return Ok(()) };
        let path = &self.path;
        let differs = |change| Error::SourceChanged { path: path.clone(), change };
        decoded.catch_up(batch, |fault| fault.of(path), differs)
    }

    /// How many bytes a resume decodes again, since its source is compressed.
    pub(crate) fn replays(&self) -> u64 {
        match &self.input {
            Input::Plain { .. } => 0,
            Input::Coded(decoded) => decoded.replays(),
        }
    }

    /// How many bytes come out of it, if that is known before the end.
    pub(crate) fn whole(&self) -> Option<u64> {
        match &self.input {
            Input::Plain { .. } => Some(self.len),
            Input::Coded(_) => None,
        }
    }

    /// Whether there is more than what a finished job has read.
    pub(crate) fn grew(&self, position: u64, len: Option<u64>) -> bool {
        match &self.input {
            Input::Plain { .. } => self.len > position,
            Input::Coded(_) => len.is_none_or(|len| self.len > len),
        }
    }

    /// Device and inode.
    pub(crate) fn id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Where reading began: where earlier runs have left it, or at its start.
    pub(crate) fn began(&self) -> Position {
        self.began
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

    fn fill(&mut self, batch: &mut Batch, unit: Unit) -> Result<bool, Error> {
        self.catch_up(batch)?;
        loop {
            if let Some(taken) = unit.whole(batch) {
                return Ok(self.take(batch, taken));
            }
            let filled = batch.filled;
            if self.read(batch, unit.read(filled - batch.start))? == 0 {
                self.end(batch)?;
                let rest = batch.ends.len();
                return Ok(self.take(batch, rest));
            }
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

    /// Appends up to so many bytes to the batch. None: the source ends.
    fn read(&mut self, batch: &mut Batch, wanted: usize) -> Result<usize, Error> {
        let was = self.len;
        let changed = |path: &Path, change| Error::SourceChanged { path: path.to_owned(), change };
        let at = match &mut self.input {
            Input::Plain { at } => *at,
            Input::Coded(decoded) => {
                let read = decoded.fill(batch, wanted).map_err(|fault| fault.of(&self.path))?;
                self.len = decoded.len();
                if read > 0 && batch.open_end {
                    let change = SourceChange::LastRecordGrew { was, now: self.len };
                    return Err(changed(&self.path, change));
                }
                return Ok(read);
            }
        };
        let mut left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        if left == 0 && self.grows(batch)? {
            left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        }
        let wanted = wanted.min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let read = read_full_at(&*self.file, batch.room(wanted), at);
        let read = read.map_err(Error::io("read", &self.path))?;
        batch.filled += read;
        if read < wanted {
            // It was cut while we read.
            let change = SourceChange::Shrunk { was, now: at + read as u64 };
            return Err(changed(&self.path, change));
        }
        self.input = Input::Plain { at: at + read as u64 };
        Ok(read)
    }

    /// So many records of the batch count.
    fn take(&mut self, batch: &mut Batch, taken: usize) -> bool {
        batch.taken = taken;
        self.records = self.records.saturating_add(taken as u64);
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
        let rest = batch.read().get(from..).unwrap_or_default();
        self.input.unread(batch.base + from as u64, rest);
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
}
