//! Reading bytes back, to compare them with their CRC or to write them again.

use std::io;
use std::ops::Range;

use crate::crc;
use crate::extent::Extent;
use crate::fs::{FsFile, read_full_at, write_all_at};

/// Read at a time: large enough for any disk, small beside the memory bound (G8).
const BUFFER: usize = 256 << 10;

/// What bytes are read into.
pub fn buffer() -> Vec<u8> {
    vec![0; BUFFER]
}

/// Whether the file holds the bytes of `extent`.
///
/// # Errors
/// Where the bytes cannot be read.
pub fn matches(file: &dyn FsFile, extent: &Extent, buffer: &mut [u8]) -> io::Result<bool> {
    Ok(crc(file, extent.range(), buffer)? == Some(extent.crc))
}

/// The CRC32C of these bytes; `None` if the file ends before.
///
/// # Errors
/// Where the bytes cannot be read.
pub fn crc(file: &dyn FsFile, range: Range<u64>, buffer: &mut [u8]) -> io::Result<Option<u32>> {
    let mut sum = 0;
    let whole = for_each_chunk(file, range, buffer, |chunk, _| {
        sum = crc::combine(sum, crc::crc32c(chunk), chunk.len() as u64);
        Ok(())
    })?;
    Ok(whole.then_some(sum))
}

/// Writes the bytes of `extent` again in their place.
///
/// After a failed sync the system shows the new bytes and counts them as written, although the disk has
/// the old ones. A process that was killed then could not report it. Once they are written again, the
/// next sync has to put them on the disk.
///
/// # Errors
/// Where the bytes cannot be read or written.
pub fn rewrite(file: &dyn FsFile, extent: &Extent, buffer: &mut [u8]) -> io::Result<()> {
    for_each_chunk(file, extent.range(), buffer, |chunk, offset| write_all_at(file, chunk, offset))
        .map(|_| ())
}

/// Calls `each` with these bytes and their position; `false` if the file ends before it.
pub(crate) fn for_each_chunk(
    file: &dyn FsFile,
    range: Range<u64>,
    buffer: &mut [u8],
    mut each: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<bool> {
    let Range { start: mut offset, end } = range;
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
pub(crate) fn join(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
