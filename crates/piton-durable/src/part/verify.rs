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
    /// Where the system cannot read.
    pub fn damaged(&self) -> Result<Vec<Range<u64>>, PartError> {
        let mut buffer = buffer();
        let mut damaged = Vec::new();
        for extent in self.extents() {
            let holds = matches(&*self.file, &extent, &mut buffer);
            if !holds.map_err(PartError::io("read", &self.target.part()))? {
                damaged.push(extent.range());
            }
        }
        Ok(join(damaged.into_iter()))
    }

    /// Reads the bytes of `extent` and compares them with its CRC. Bytes that cannot be read do not
    /// match: fetching and writing them again may repair the sector.
    pub fn holds(&self, extent: &Extent) -> bool {
        matches(&*self.file, extent, &mut buffer()).unwrap_or(false)
    }
}

/// What bytes are read into.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

/// Whether the file holds the bytes of `extent`.
///
/// # Errors
/// Where the bytes cannot be read.
pub(super) fn matches(file: &dyn FsFile, extent: &Extent, buffer: &mut [u8]) -> io::Result<bool> {
    let mut crc = 0;
    for_each_chunk(file, extent, buffer, |chunk, _| {
        crc = crc::combine(crc, crc::crc32c(chunk), chunk.len() as u64);
        Ok(())
    })
    .map(|whole| whole && crc == extent.crc)
}

/// Writes the bytes of `extent` again in their place.
///
/// After a failed sync the system shows the new bytes and counts them as written, although the disk has
/// the old ones. A process that was killed then could not report it. Once they are written again, the
/// next sync has to put them on the disk.
///
/// # Errors
/// Where the bytes cannot be read or written.
pub(super) fn rewrite(file: &dyn FsFile, extent: &Extent, buffer: &mut [u8]) -> io::Result<()> {
    for_each_chunk(file, extent, buffer, |chunk, offset| write_all_at(file, chunk, offset))
        .map(|_| ())
}

/// Calls `each` with the bytes of `extent` and their position; `false` if the file ends before it.
pub(super) fn for_each_chunk(
    file: &dyn FsFile,
    extent: &Extent,
    buffer: &mut [u8],
    mut each: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<bool> {
    let Range { start: mut offset, end } = extent.range();
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        if read_full_at(file, chunk, offset)? < wanted {
            return Ok(false);
        }
        each(chunk, offset)?;
        offset += wanted as u64;
    }
    Ok(true)
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
