//! The header of a gzip member (RFC 1952): skipped, and checked as far as it can be. Nothing of it is kept, so that a
//! name without end costs no memory.

use super::super::fault::Fault;
use super::super::feed::Feed;

const WITHIN: &str = "the header of a gzip member";
/// What it begins with: the magic and the method.
pub(in super::super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

const CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
/// Bits of the flags that must be zero.
pub(in super::super) const RESERVED: u8 = 0xe0;

/// Takes a header, whose first two bytes were seen.
pub(super) fn take(feed: &mut Feed, since: u64) -> Result<(), Fault> {
    let at = feed.offset();
    let damaged = |what| Fault::Damaged { what, at, since };
    let fixed: [u8; 10] = feed.bytes(WITHIN)?;
    let mut crc = Crc(zlib_rs::crc32::crc32(0, &fixed));
    let [_, _, method, flags, ..] = fixed;
    if method != 8 {
        return Err(damaged("a gzip member has an unknown compression method"));
    }
    if flags & RESERVED != 0 {
        return Err(damaged("the header of a gzip member has unknown flags"));
    }
    if flags & EXTRA != 0 {
        let len = u16::from_le_bytes([crc.byte(feed)?, crc.byte(feed)?]);
        for _ in 0..len {
            crc.byte(feed)?;
        }
    }
    if flags & NAME != 0 {
        while crc.byte(feed)? != 0 {}
    }
    if flags & COMMENT != 0 {
        while crc.byte(feed)? != 0 {}
    }
    if flags & CRC != 0 && u16::from_le_bytes(feed.bytes(WITHIN)?) != (crc.0 & 0xffff) as u16 {
        return Err(damaged("the header of a gzip member does not match its checksum"));
    }
    Ok(())
}

/// The CRC-32 of the header so far.
struct Crc(u32);

impl Crc {
    fn byte(&mut self, feed: &mut Feed) -> Result<u8, Fault> {
        let byte = feed.byte(WITHIN)?;
        self.0 = zlib_rs::crc32::crc32(self.0, &[byte]);
        Ok(byte)
    }
}
