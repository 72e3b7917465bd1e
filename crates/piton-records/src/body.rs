//! Results: bytes in memory, or in a file where they are too many.

use std::io;
use std::sync::Arc;

use piton_durable::crc::{combine, crc32c};
use piton_durable::fs::{FsFile, read_full_at, write_all_at};
use piton_durable::verify;
use serde::{Deserialize, Serialize};

/// Copied at a time.
const COPY: usize = 1 << 20;

/// The result of a piece.
#[derive(Clone, Default)]
pub struct Body {
    parts: Vec<Part>,
    /// Its first bytes are a header, which the output has once.
    header: Header,
}

/// The first bytes of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) len: u64,
    /// CRC-64 of them.
    pub(crate) crc: u64,
}

#[derive(Clone)]
enum Part {
    Bytes(Vec<u8>),
    /// These bytes of a file, which nobody changes any more.
    File {
        file: Arc<dyn FsFile>,
        start: u64,
        len: u64,
    },
}

impl Body {
    /// So many bytes of a file, from `start`. Nobody changes them as long as this lives.
    pub fn of_file(file: Arc<dyn FsFile>, start: u64, len: u64) -> Self {
        Self { parts: vec![Part::File { file, start, len }], header: Header::default() }
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same, which begins with this header.
    #[must_use]
    pub(crate) fn with_header(mut self, header: Header) -> Self {
        self.header = header;
        self
    }

    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// What follows this. There is one header.
    pub(crate) fn append(&mut self, other: Self) {
        match self.is_empty() {
            true => *self = other,
            false => self.parts.append(&mut other.without_header().parts),
        }
    }

    /// The same without its header.
    pub(crate) fn without_header(self) -> Self {
        let header = self.header.len;
        self.without(header)
    }

    /// The same without its first bytes.
    fn without(mut self, mut first: u64) -> Self {
        self.header = Header::default();
        for part in &mut self.parts {
            let cut = first.min(part.len());
            first -= cut;
            match part {
                Part::Bytes(bytes) => drop(bytes.drain(..usize::try_from(cut).unwrap_or(0))),
                Part::File { start, len, .. } => {
                    *start += cut;
                    *len -= cut;
                }
            }
        }
        self
    }

    /// CRC32C of all bytes.
    pub(crate) fn crc(&self) -> io::Result<u32> {
        self.parts.iter().try_fold(0, |sum, part| {
            let crc = match part {
                Part::Bytes(bytes) => crc32c(bytes),
                Part::File { file, start, len } => {
                    let range = *start..start.saturating_add(*len);
                    let crc = verify::crc(&**file, range, &mut verify::buffer())?;
                    crc.ok_or(io::ErrorKind::UnexpectedEof)?
                }
            };
            Ok(combine(sum, crc, part.len()))
        })
    }

    /// Writes all bytes into this file, from `at`.
    pub(crate) fn write_to(&self, target: &dyn FsFile, at: u64) -> io::Result<()> {
        let mut at = at;
        self.for_each(|bytes| {
            write_all_at(target, bytes, at)?;
            at += bytes.len() as u64;
            Ok(())
        })
    }

    /// Hands out all bytes, run by run.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => each(bytes)?,
                Part::File { file, start, len } => {
                    let mut buffer = vec![0; COPY];
                    let (mut at, end) = (*start, start.saturating_add(*len));
                    while at < end {
                        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
                        let wanted = buffer.len().min(left);
                        let room = buffer.get_mut(..wanted).unwrap_or_default();
                        if read_full_at(&**file, room, at)? < wanted {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        each(room)?;
                        at += wanted as u64;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { parts: vec![Part::Bytes(bytes)], header: Header::default() }
    }
}
