//! The bytes of a file.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use piton_durable::fs::{FsFile, Stat};

use super::local::LocalBytes;
use super::version::is_unchanged;
use crate::blocking::blocking;
use crate::error::RemoteError;

/// So much is read at once.
const READ: usize = 1 << 20;

/// Some bytes of a file, read in order.
pub(crate) struct Body {
    file: Arc<dyn FsFile>,
    /// What the head spoke of.
    stat: Stat,
    path: PathBuf,
    /// Still to be read from the file.
    rest: Range<u64>,
    /// Read and not handed out yet.
    ahead: Bytes,
    /// What comes after `ahead`.
    failed: Option<RemoteError>,
}

impl Body {
    pub(super) fn new(file: Arc<dyn FsFile>, stat: Stat, path: PathBuf, bytes: Range<u64>) -> Self {
        Self { file, stat, path, rest: bytes, ahead: Bytes::new(), failed: None }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.ahead.len() as u64 + (self.rest.end - self.rest.start)
    }

    /// Reads into `buf`; 0 is the end. The disk is waited for beside the network's thread.
    pub(crate) async fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        if let Some(read) = self.take(buf) {
            return read;
        }
        let (file, stat, rest) = (Arc::clone(&self.file), self.stat, self.rest.clone());
        let block = blocking(move || read_block(file.as_ref(), &stat, &rest, READ)).await;
        let block = block.map_err(|why| why.of(&self.path))?;
        self.rest.start += block.len() as u64;
        self.ahead = block.into();
        self.take(buf).unwrap_or(Ok(0))
    }

    /// What was read before, without a look at the disk.
    pub(crate) fn try_read(&mut self, buf: &mut [u8]) -> Option<Result<usize, RemoteError>> {
        self.take(buf)
    }

    /// What the system can copy: also what was read ahead.
    pub(crate) fn local(&self) -> Option<LocalBytes> {
        let range = self.rest.start.checked_sub(self.ahead.len() as u64)?..self.rest.end;
        (self.failed.is_none() && !range.is_empty()).then(|| LocalBytes {
            file: Arc::clone(&self.file),
            stat: self.stat,
            path: self.path.clone(),
            range,
        })
    }

    pub(crate) fn skip(&mut self, bytes: u64) {
        let ahead = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.ahead.len());
        self.ahead.advance(ahead);
        self.rest.start = (self.rest.start + bytes - ahead as u64).min(self.rest.end);
    }

    pub(crate) fn unread(&mut self, bytes: Bytes, failed: Option<RemoteError>) {
        self.ahead = match self.ahead.is_empty() {
            true => bytes,
            false => [bytes, std::mem::take(&mut self.ahead)].concat().into(),
        };
        self.failed = failed.or(self.failed.take());
    }

    /// What needs no look at the disk. `None`: something is still to be read.
    fn take(&mut self, buf: &mut [u8]) -> Option<Result<usize, RemoteError>> {
        if buf.is_empty() {
            return Some(Ok(0));
        }
        if !self.ahead.is_empty() {
            let len = buf.len().min(self.ahead.len());
            self.ahead.copy_to_slice(buf.split_at_mut(len).0);
            return Some(Ok(len));
        }
        match self.failed.take() {
            Some(error) => Some(Err(error)),
            None => self.rest.is_empty().then_some(Ok(0)),
        }
    }
}

/// Why bytes of the file are not had.
enum ReadError {
    Io(io::Error),
    Changed,
}

impl ReadError {
    fn of(self, path: &Path) -> RemoteError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => RemoteError::Source { path, source },
            Self::Changed => RemoteError::SourceChanged { path },
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The next bytes of the file, which is still the one that the head spoke of after they were read.
fn read_block(
    file: &dyn FsFile,
    was: &Stat,
    rest: &Range<u64>,
    most: usize,
) -> Result<Vec<u8>, ReadError> {
    let left = usize::try_from(rest.end.saturating_sub(rest.start)).unwrap_or(usize::MAX);
    let mut block = vec![0; left.min(most)];
    let read = loop {
        match file.read_at(&mut block, rest.start) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    if !is_unchanged(was, &file.stat()?) {
        return Err(ReadError::Changed);
    }
    if read == 0 {
        // As those of /sys do, which are as long as a page by their own account.
        return Err(io::Error::other("it is shorter than it says").into());
    }
    block.truncate(read);
    Ok(block)
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("rest", &self.rest).finish_non_exhaustive()
    }
}
