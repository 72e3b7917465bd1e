//! The bytes of a file.

use std::fmt;
use std::io;
use std::ops::Range;

use bytes::{Buf, Bytes};

use super::local::LocalBytes;
use crate::blocking::blocking;
use crate::error::RemoteError;

/// So much is read at once.
const READ: usize = 1 << 20;

/// Some bytes of a file, read in order.
pub(crate) struct Body {
    /// Still to be read from the file.
    rest: LocalBytes,
    /// Read and not handed out yet.
    ahead: Bytes,
    /// What comes after `ahead`.
    failed: Option<RemoteError>,
}

impl Body {
    pub(super) fn new(bytes: LocalBytes) -> Self {
        Self { rest: bytes, ahead: Bytes::new(), failed: None }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.ahead.len() as u64 + (self.rest.range.end - self.rest.range.start)
    }

    /// Reads into `buf`; 0 is the end. The disk is waited for beside the network's thread.
    pub(crate) async fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        if let Some(read) = self.take(buf) {
            return read;
        }
        let rest = self.rest.clone();
        let block = blocking(move || read_block(&rest, READ)).await?;
        self.rest.range.start += block.len() as u64;
        self.ahead = block.into();
        self.take(buf).unwrap_or(Ok(0))
    }

    /// What was read before, without a look at the disk.
    pub(crate) fn try_read(&mut self, buf: &mut [u8]) -> Option<Result<usize, RemoteError>> {
        self.take(buf)
    }

    /// What the system can copy: also what was read ahead.
    pub(crate) fn local(&self) -> Option<LocalBytes> {
        let Range { start, end } = self.rest.range;
        let range = start.checked_sub(self.ahead.len() as u64)?..end;
        let is_left = self.failed.is_none() && !range.is_empty();
        is_left.then(|| LocalBytes { range, ..self.rest.clone() })
    }

    pub(crate) fn skip(&mut self, bytes: u64) {
        let ahead = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.ahead.len());
        self.ahead.advance(ahead);
        let Range { start, end } = &mut self.rest.range;
        *start = (*start + bytes - ahead as u64).min(*end);
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
            None => self.rest.range.is_empty().then_some(Ok(0)),
        }
    }
}

/// The next bytes of the file, which is still the one that the head spoke of after they were read.
fn read_block(bytes: &LocalBytes, most: usize) -> Result<Vec<u8>, RemoteError> {
    let failed = |source| RemoteError::Source { path: bytes.path.clone(), source };
    let Range { start, end } = bytes.range;
    let left = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let mut block = vec![0; left.min(most)];
    let read = loop {
        match bytes.file.read_at(&mut block, start) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read.map_err(failed)?,
        }
    };
    bytes.check()?;
    if read == 0 {
        // As those of /sys do, which are as long as a page by their own account.
        return Err(failed(io::Error::other("it is shorter than it says")));
    }
    block.truncate(read);
    Ok(block)
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("rest", &self.rest.range).finish_non_exhaustive()
    }
}
