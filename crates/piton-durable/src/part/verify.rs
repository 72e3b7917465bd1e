//! Reading claimed bytes back.

use std::io;
use std::ops::Range;

use super::{Part, PartError};
use crate::crc;
use crate::extent::Extent;
use crate::fs::{FsFile, read_full_at, write_all_at};

/// Read at a time: large enough for any disk, small beside the memory bound (G8).
const BUFFER: usize = 256 << 10;

impl Part {
    /// Reads every claimed extent back and returns the ranges whose CRC does not match.
    ///
    /// # Errors
    /// None today: bytes that cannot be read are damaged, and fetching them again may heal them.
    pub fn damaged(&self) -> Result<Vec<Range<u64>>, PartError> {
        let mut buffer = Vec::new();
        let extents = self.extents();
        let damaged = extents.iter().filter(|extent| !matches(&*self.file, extent, &mut buffer));
        Ok(join(damaged.map(Extent::range)))
    }
}

/// Whether the file holds the bytes of `extent`.
pub(super) fn matches(file: &dyn FsFile, extent: &Extent, buffer: &mut Vec<u8>) -> bool {
    compare(file, extent, buffer, |_, _| Ok(())).unwrap_or(false)
}

/// The same, and writes the bytes that were read back in their place.
///
/// After a failed sync the system shows the new bytes and counts them as written, though the disk has
/// the old ones; a process that was killed then cannot have told. Written again, the next sync has to
/// put them on the disk.
///
/// # Errors
/// Where writing fails. Bytes that cannot be read do not match.
pub(super) fn matches_and_renew(
    file: &dyn FsFile,
    extent: &Extent,
    buffer: &mut Vec<u8>,
) -> io::Result<bool> {
    compare(file, extent, buffer, |bytes, offset| write_all_at(file, bytes, offset))
}

fn compare(
    file: &dyn FsFile,
    extent: &Extent,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<bool> {
    buffer.resize(BUFFER, 0);
    let Range { start: mut offset, end } = extent.range();
    let mut crc = 0;
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(BUFFER).min(BUFFER);
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        if !matches!(read_full_at(file, chunk, offset), Ok(read) if read == wanted) {
            return Ok(false);
        }
        each(chunk, offset)?;
        crc = crc::combine(crc, crc::crc32c(chunk), wanted as u64);
        offset += wanted as u64;
    }
    Ok(crc == extent.crc)
}

/// Joins ranges that touch.
pub(super) fn join(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
