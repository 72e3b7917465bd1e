//! What a job reads: a file of records, a range, the files of a folder, an iterator of the program's own.

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use piton_durable::fs::Fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{Files, FilesPosition};
use super::items::{ItemSource, Items, Numbers, Own};
use super::records::Records;
use super::{Job, is_finished};
use crate::error::Error;
use crate::framing::Framing;
use crate::output::OutputFile;
use crate::source::{Batch, Before, Position, Reader, Reading, SourceChange};
use crate::start::Found;
use crate::state::{Ahead, SourceState, State};

impl Job {
    /// The lines of a file.
    ///
    /// # Errors
    /// [`Error::SourceChanged`] if it is not what was read before, [`Error::JobDiffers`] if the job was begun
    /// with something else.
    pub fn lines(&mut self, path: impl AsRef<Path>) -> Result<Records, Error> {
        self.records(path, Framing::LINES)
    }

    /// The records of a file that end with this byte.
    ///
    /// # Errors
    /// As [`Job::lines`].
    pub fn delimited(&mut self, path: impl AsRef<Path>, byte: u8) -> Result<Records, Error> {
        self.records(path, Framing::Delimited(byte))
    }

    /// The records of a CSV file (RFC 4180, with commas), line ends in quotes included.
    ///
    /// # Errors
    /// As [`Job::lines`].
    pub fn csv(&mut self, path: impl AsRef<Path>) -> Result<Records, Error> {
        self.records(path, Framing::CSV)
    }

    /// A file in chunks of so many bytes.
    ///
    /// # Errors
    /// As [`Job::lines`].
    pub fn chunks(&mut self, path: impl AsRef<Path>, size: NonZeroU64) -> Result<Records, Error> {
        self.records(path, Framing::Chunks(size))
    }

    /// The records of a file, framed in any way.
    ///
    /// # Errors
    /// As [`Job::lines`].
    pub fn records(&mut self, path: impl AsRef<Path>, framing: Framing) -> Result<Records, Error> {
        let (path, last) = (path.as_ref(), self.last()?);
        alone(last.as_ref())?;
        let SourceOpen { reader, batch, position, finished, ahead } =
            self.open_source(path, framing, last.as_ref())?;
        if !ahead.is_empty() {
            return Err(Error::StartOutOfOrder { first: position.records + 1 });
        }
        let path = path.to_string_lossy().into_owned();
        let records = Records::new(&self.core, reader, batch, position, path);
        if finished {
            self.core.set_finished();
            return Ok(records.end());
        }
        self.core.start(records.cursor())?;
        Ok(records)
    }

    /// Opens a file of records, where earlier runs have left it.
    pub(crate) fn open_source(
        &self,
        path: &Path,
        framing: Framing,
        last: Option<&State>,
    ) -> Result<SourceOpen, Error> {
        let reading = Reading {
            framing,
            max_record: self.how.max_record,
            growth: self.how.growth,
            changed: self.how.changed,
            verify: self.how.verify,
            compression: self.how.compression,
            max_window: self.how.max_window,
        };
        let begun = match (&self.how.start, last) {
            (Some(_), Some(_)) => return Err(Error::StartedBefore),
            (Some(start), None) => Some(start.find(&*self.core.fs, path, reading)?),
            (None, _) => None,
        };
        let (adopted, ahead) = begun.map(Found::into_parts).unzip();
        let before = last.map(|last| &last.source).or(adopted.as_ref());
        let was = before.and_then(SourceState::file_len);
        let place = self.core.store.place();
        let (reader, batch) = open_file(&*self.core.fs, path, reading, before, &place)?;
        self.refuse_as_output(&reader)?;
        let position = reader.began();
        let finished = is_finished(last);
        let grew = reader.grew(position.bytes, was);
        let has_output = last.is_some_and(|last| last.output.is_some());
        if finished && grew && has_output && self.core.output.borrow().is_none() {
            // The output has its name already.
            let (was, now) = (position.bytes, reader.len());
            let change = SourceChange::Grew { was, now };
            return Err(Error::SourceChanged { path: path.to_owned(), change });
        }
        let ahead = ahead.unwrap_or_default();
        Ok(SourceOpen { reader, batch, position, finished: finished && !grew, ahead })
    }

    /// What is written must not be what is read.
    fn refuse_as_output(&self, reader: &Reader) -> Result<(), Error> {
        let (device, inode) = reader.id();
        let same = |file: &OutputFile| file.is(device, inode).then(|| file.live().to_owned());
        match self.core.of_files(same).into_iter().flatten().next() {
            Some(path) => Err(Error::IsTheSource { path }),
            None => Ok(()),
        }
    }

    /// The numbers of a range.
    ///
    /// # Errors
    /// As [`Job::lines`].
    pub fn range(&mut self, range: Range<u64>) -> Result<Items<u64, Numbers>, Error> {
        let last = self.last()?;
        let (inner, records) = range_from(last.as_ref(), &range)?;
        self.items(inner, None, records, ItemSource::Range(range), last.as_ref())
    }

    /// The files of a folder and those below it, in the order of their names. Each item is a path. A link to a file counts
    /// as a file; a link to a folder is not followed.
    ///
    /// # Errors
    /// [`Error::FilesChanged`] if files were added, removed or renamed before the place where the job continues.
    pub fn files(&mut self, dir: impl AsRef<Path>) -> Result<Items<FilesPosition, Files>, Error> {
        let (dir, last) = (dir.as_ref(), self.last()?);
        let (files, done) = files_from(&self.core.fs, last.as_ref(), dir)?;
        let records = done.as_ref().map_or(0, |done| done.files);
        self.items(files, done, records, ItemSource::Files(dir.to_owned()), last.as_ref())
    }

    /// What an iterator of the program's own gives, each with the position behind it: any value that can be kept as
    /// JSON. `from` gets the position of the last item that is done, and returns the iterator of what follows.
    ///
    /// # Errors
    /// As [`Job::lines`].
    pub fn positions<P, T, I>(
        &mut self,
        from: impl FnOnce(Option<P>) -> I,
    ) -> Result<Items<P, Own<I::IntoIter>>, Error>
    where
        P: Serialize + DeserializeOwned + Clone + 'static,
        I: IntoIterator<Item = (P, T)>,
    {
        let last = self.last()?;
        let (done, records) = own_from::<P>(last.as_ref())?;
        let inner = Own(from(done.clone()).into_iter());
        self.items(inner, done, records, ItemSource::Own, last.as_ref())
    }

    fn items<P: Serialize + 'static, I>(
        &self,
        inner: I,
        done: Option<P>,
        records: u64,
        source: ItemSource,
        last: Option<&State>,
    ) -> Result<Items<P, I>, Error> {
        alone(last)?;
        let items = Items::new(&self.core, inner, done, records, source);
        if is_finished(last) {
            self.core.set_finished();
            return Ok(items.end());
        }
        self.core.start(items.cursor())?;
        Ok(items)
    }
}

/// Opens a file of records where it was left; `place` keeps what is known of it, for messages.
pub(crate) fn open_file(
    fs: &dyn Fs,
    path: &Path,
    reading: Reading,
    before: Option<&SourceState>,
    place: &str,
) -> Result<(Reader, Batch), Error> {
    let before = match before {
        Some(SourceState::File { framing: was, position, identity, restart, .. }) => {
            differs("a file of", was, &reading.framing.to_string())?;
            let invalid = |why: &str| Error::State { place: place.to_owned(), why: why.to_owned() };
            let restart = restart.as_ref().map(|restart| {
                let point = restart.point(position.bytes).map_err(invalid)?;
                Ok::<_, Error>((&**restart, point))
            });
            Some(Before { position: *position, identity, restart: restart.transpose()? })
        }
        Some(source) => return Err(other_kind(source, "a file of records")),
        None => None,
    };
    Reader::open(fs, path, reading, before)
}

/// The numbers of a range that are left, and how many are done.
pub(crate) fn range_from(
    last: Option<&State>,
    range: &Range<u64>,
) -> Result<(Numbers, u64), Error> {
    let next = match last.map(|last| &last.source) {
        Some(source @ SourceState::Range { start, end, next }) => {
            let now = SourceState::Range { start: range.start, end: range.end, next: 0 };
            if (*start, *end) != (range.start, range.end) {
                return Err(other_kind(source, &now.kind()));
            }
            *next
        }
        Some(source) => return Err(other_kind(source, "a range")),
        None => range.start,
    };
    Ok((Numbers(next..range.end), next.saturating_sub(range.start)))
}

/// The files of a folder that are left, and how far it is done.
pub(crate) fn files_from(
    fs: &Arc<dyn Fs>,
    last: Option<&State>,
    dir: &Path,
) -> Result<(Files, Option<FilesPosition>), Error> {
    let done: Option<FilesPosition> = match last.map(|last| &last.source) {
        Some(SourceState::Files { position, .. }) => {
            serde_json::from_value(position.clone()).map_err(Error::Position)?
        }
        Some(source) => return Err(other_kind(source, "the files in a folder")),
        None => None,
    };
    let mut files = Files::open(fs, dir)?;
    if let Some(done) = &done {
        files.skip_to(done)?;
    }
    Ok((files, done))
}

/// How far an iterator of the program's own is done.
pub(crate) fn own_from<P: DeserializeOwned>(
    last: Option<&State>,
) -> Result<(Option<P>, u64), Error> {
    match last.map(|last| &last.source) {
        Some(SourceState::Positions { records, position }) => {
            let done = serde_json::from_value(position.clone()).map_err(Error::Position)?;
            Ok((done, *records))
        }
        Some(source) => Err(other_kind(source, "positions of its own")),
        None => Ok((None, 0)),
    }
}

/// A file of records, open.
pub(crate) struct SourceOpen {
    pub(crate) reader: Reader,
    pub(crate) batch: Batch,
    /// Everything before this is done.
    pub(crate) position: Position,
    /// Whether there is nothing more to do.
    pub(crate) finished: bool,
    /// What another program has done behind the position.
    pub(crate) ahead: Vec<Ahead>,
}

/// A job of pieces has done more than its position says.
fn alone(last: Option<&State>) -> Result<(), Error> {
    match last.and_then(|last| last.work.as_ref()) {
        Some(work) => differs("pieces of", &work.size, "none"),
        None => Ok(()),
    }
}

fn differs(what: &'static str, was: &str, now: &str) -> Result<(), Error> {
    if was == now {
        return Ok(());
    }
    Err(Error::JobDiffers { what, was: was.to_owned(), now: now.to_owned() })
}

fn other_kind(was: &SourceState, now: &str) -> Error {
    Error::JobDiffers { what: "the source", was: was.kind(), now: now.to_owned() }
}
