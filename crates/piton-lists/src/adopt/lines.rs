//! The lines of a done file, in bounded memory.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use super::AdoptError;
use crate::format::Lines;
use crate::source::{Source, SourceError};

/// One line after the other. A line that is not text, or is longer than any URL, yields the reason instead:
/// it names no item, and is shown that way.
pub(super) struct DoneLines {
    path: PathBuf,
    lines: Lines<Box<dyn BufRead + Send>>,
}

impl DoneLines {
    pub(super) fn open(path: &Path) -> Result<Self, AdoptError> {
        let reader = Source::new(path).open().map_err(|error| match error {
            SourceError::Io { path, source } => AdoptError::Done { path, source },
            SourceError::NoFile { path } => AdoptError::Done {
                path,
                source: io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is no regular file, and is read twice",
                ),
            },
        })?;
        Ok(Self { path: path.to_owned(), lines: Lines::new(reader, LIMIT) })
    }
}

impl DoneLines {
    /// The approximate size of one in bytes.
    pub(super) fn weight(line: &Result<String, AdoptError>) -> usize {
        line.as_ref().map_or(0, String::len)
    }
}

/// Bytes of a line; longer ones name no item.
const LIMIT: usize = Lines::<&[u8]>::LIMIT;

impl Iterator for DoneLines {
    type Item = Result<String, AdoptError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lines.next() {
            Ok(None) => None,
            Ok(Some(line)) => Some(Ok(match line.text {
                Ok(text) => text.to_owned(),
                Err(bad) => bad.why.to_string(),
            })),
            Err(source) => Some(Err(AdoptError::Done { path: self.path.clone(), source })),
        }
    }
}
