//! Records for programs that keep the position themselves.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use piton_durable::fs::{Fs, OsFs};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::framing::Framing;
use crate::job::open_file;
use crate::record::Record;
use crate::source::{Batch, Changed, Growth, Position, Reader, Reading};
use crate::state::SourceState;

/// How far a file was read, and by what it is recognised: to be kept as JSON, or whatever serde writes, where the program
/// keeps its results, in one transaction with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bookmark(SourceState);

/// The records of a file, without a job: the program keeps the [`Bookmark`] itself.
///
/// ```
/// use piton_records::{Bookmark, Framing, RecordFile};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("big.log");
/// # std::fs::write(&path, "a\nb\nc\n")?;
/// let mut records = RecordFile::open(&path, Framing::LINES)?;
/// let first = records.next().transpose()?;
/// assert_eq!(first.as_deref(), Some(&b"a"[..]));
/// let saved = serde_json::to_string(&records.bookmark()?)?; // with the results of what was read so far
///
/// let bookmark: Bookmark = serde_json::from_str(&saved)?;
/// let mut records = RecordFile::from(&path, Framing::LINES, &bookmark)?;
/// assert_eq!(records.next().transpose()?.as_deref(), Some(&b"b"[..]));
/// # Ok(())
/// # }
/// ```
pub struct RecordFile {
    path: PathBuf,
    framing: Framing,
    reader: Reader,
    batch: Rc<Batch>,
    index: usize,
    start: usize,
    /// Records before the batch.
    first: u64,
    over: bool,
}

impl RecordFile {
    /// Opens a file at its start. It may be compressed.
    ///
    /// # Errors
    /// It cannot be opened, or is no regular file.
    pub fn open(path: impl AsRef<Path>, framing: Framing) -> Result<Self, Error> {
        Self::at(path.as_ref(), framing, None)
    }

    /// Opens a file behind the last record that was read.
    ///
    /// # Errors
    /// [`Error::SourceChanged`] if it is not what was read; what was appended is read too. [`Error::JobDiffers`] if it
    /// was read in another way.
    pub fn from(
        path: impl AsRef<Path>,
        framing: Framing,
        bookmark: &Bookmark,
    ) -> Result<Self, Error> {
        Self::at(path.as_ref(), framing, Some(bookmark))
    }

    fn at(path: &Path, framing: Framing, bookmark: Option<&Bookmark>) -> Result<Self, Error> {
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let reading =
            Reading { growth: Growth::Accept, changed: Changed::Stop, ..Reading::new(framing) };
        let before = bookmark.map(|Bookmark(source)| source);
        let (reader, batch) = open_file(&*fs, path, reading, before, "the bookmark")?;
        let (first, start) = (reader.began().records, batch.start);
        let (path, batch) = (path.to_owned(), Rc::new(batch));
        Ok(Self { path, framing, reader, batch, index: 0, start, first, over: false })
    }

    /// Where the next record begins, and how many were read.
    pub fn end(&self) -> Position {
        let bytes = self.batch.base + self.start as u64;
        Position { bytes, records: self.first + self.index as u64 }
    }

    /// Everything before [`RecordFile::end`] is read, the record that was handed out last too.
    ///
    /// # Errors
    /// The restart point of a compressed file cannot be made.
    pub fn bookmark(&mut self) -> Result<Bookmark, Error> {
        let behind = self.reader.behind(&self.batch, self.end());
        let path = self.path.to_string_lossy().into_owned();
        self.reader.state(path, self.framing.to_string(), &behind).map(Bookmark)
    }

    fn refill(&mut self) -> Result<bool, Error> {
        let empty = Rc::new(Batch::empty(self.framing));
        let old = Rc::unwrap_or_clone(std::mem::replace(&mut self.batch, empty));
        let (batch, more) = self.reader.next(old);
        self.first += self.index as u64;
        (self.index, self.start) = (0, batch.start);
        self.batch = Rc::new(batch);
        more
    }
}

impl Iterator for RecordFile {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        if self.index >= self.batch.ends.len() {
            match self.refill() {
                Ok(true) => {}
                end => {
                    self.over = true;
                    return end.err().map(Err);
                }
            }
        }
        let end = self.batch.ends.get(self.index).copied()?;
        let start = std::mem::replace(&mut self.start, end);
        let number = self.first + self.index as u64;
        self.index += 1;
        Some(Ok(Record { batch: Rc::clone(&self.batch), start, end, number }))
    }
}
