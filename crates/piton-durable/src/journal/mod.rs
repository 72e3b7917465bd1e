//! The journal of a part: which of its bytes may be believed.
//!
//! [`parse()`] and [`fold()`] are pure: bytes to records, records to state. Recovery uses them, and so
//! does [`read`], for looking at a journal without touching it. `docs/journal-format.md` draws the
//! format byte by byte.

mod fold;
mod format;
pub(crate) mod log;
mod parse;

use std::io;
use std::path::Path;

pub use fold::{Fold, fold};
pub use format::{
    FRAME_LEN, HEADER_LEN, Header, MAGIC, MAX_HASH_STATE, MAX_JOURNAL, MAX_PAYLOAD, Record,
    UNKNOWN_PART, VERSION, part_identity,
};
pub use parse::{End, Entry, HeadError, Parsed, Tear, parse};

use crate::fs::{Fs, FsFile, read_full_at};
use crate::own;
use crate::part::PartError;

/// A journal as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalView {
    /// The header.
    pub header: Header,
    /// The records, in order.
    pub entries: Vec<Entry>,
    /// Where they end.
    pub end: End,
    /// The state that they describe.
    pub fold: Fold,
}

/// Reads the journal at `path` without a lock and without changing it. One that is being written
/// may appear torn at its end.
///
/// # Errors
/// [`PartError::Unreadable`] and [`PartError::NewerFormat`] for a header that cannot be used,
/// [`PartError::NotOurs`] for a file that no run of this user left, [`PartError::Io`] where the file cannot be
/// opened or read.
pub fn read(fs: &dyn Fs, path: &Path) -> Result<JournalView, PartError> {
    let file = own::open(fs, path).map_err(PartError::own("open", path))?;
    let bytes = read_bytes(&*file).map_err(PartError::io("read", path))?;
    let Parsed { header, entries, end } =
        parse(&bytes).map_err(|error| PartError::head(error, path))?;
    let fold = fold(&entries);
    Ok(JournalView { header, entries, end, fold })
}

/// All bytes of a journal, and one more if it is longer than allowed.
pub(crate) fn read_bytes(file: &dyn FsFile) -> io::Result<Vec<u8>> {
    let stat = file.stat()?;
    if !stat.is_file {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let len = stat.len.min(MAX_JOURNAL + 1);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = read_full_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
