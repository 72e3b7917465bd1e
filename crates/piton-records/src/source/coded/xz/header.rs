//! The parts of an xz file around its blocks (version 1.2 of the format): headers, indexes and footers, each checked.

/// What a stream begins with.
pub(in super::super) const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// What it ends with.
const END: [u8; 2] = *b"YZ";
/// Filters in a row, at most.
const FILTERS: usize = 4;

/// The check of a stream's blocks, from its header. `Err`: what is wrong.
pub(super) fn stream_header(header: &[u8; 12]) -> Result<u8, &'static str> {
    let [m0, m1, m2, m3, m4, m5, reserved, check, crc @ ..] = *header;
    match () {
        () if [m0, m1, m2, m3, m4, m5] != MAGIC => {
            Err("something that is not an xz stream follows")
        }
        () if crc != zlib_rs::crc32::crc32(0, &[reserved, check]).to_le_bytes() => {
            Err("the header of an xz stream does not match its checksum")
        }
        () if reserved != 0 || check > 15 => Err("an xz stream has unknown flags"),
        () => Ok(check),
    }
}

/// The length of the index that a footer says, for a stream with this check.
pub(super) fn stream_footer(footer: &[u8; 12], check: u8) -> Result<u64, &'static str> {
    let [c0, c1, c2, c3, s0, s1, s2, s3, reserved, flag, m0, m1] = *footer;
    let crc = zlib_rs::crc32::crc32(0, &[s0, s1, s2, s3, reserved, flag]);
    match () {
        () if [m0, m1] != END => Err("an xz stream has no footer"),
        () if [c0, c1, c2, c3] != crc.to_le_bytes() => {
            Err("the footer of an xz stream does not match its checksum")
        }
        () if (reserved, flag) != (0, check) => {
            Err("the footer of an xz stream does not match its header")
        }
        () => Ok((u64::from(u32::from_le_bytes([s0, s1, s2, s3])) + 1) * 4),
    }
}

/// How many bytes a check has.
pub(super) fn check_len(check: u8) -> usize {
    match check {
        0 => 0,
        1..=3 => 4,
        4..=6 => 8,
        7..=9 => 16,
        10..=12 => 32,
        _ => 64,
    }
}

/// What the header of a block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) compressed: Option<u64>,
    pub(super) uncompressed: Option<u64>,
    /// The filters and their properties, in the order in which the encoder had them.
    pub(super) filters: Vec<(u64, Vec<u8>)>,
}

/// The header of a block, with its length byte and its checksum.
pub(super) fn block_header(header: &[u8]) -> Result<BlockHeader, &'static str> {
    const INVALID: &str = "the header of an xz block is invalid";
    let (fields, crc) = header.split_last_chunk::<4>().ok_or(INVALID)?;
    if zlib_rs::crc32::crc32(0, fields) != u32::from_le_bytes(*crc) {
        return Err("the header of an xz block does not match its checksum");
    }
    let [_, flags, fields @ ..] = fields else { return Err(INVALID) };
    let mut fields = fields;
    if flags & 0x3c != 0 {
        return Err("an xz block has unknown flags");
    }
    let mut size = |bit: u8| -> Result<Option<u64>, &'static str> {
        match flags & bit {
            0 => Ok(None),
            _ => number(&mut fields).map(Some).ok_or(INVALID),
        }
    };
    let (compressed, uncompressed) = (size(0x40)?, size(0x80)?);
    let mut filters = Vec::with_capacity(FILTERS);
    for _ in 0..=flags & 3 {
        let id = number(&mut fields).ok_or(INVALID)?;
        let len = number(&mut fields).and_then(|len| usize::try_from(len).ok()).ok_or(INVALID)?;
        let (properties, rest) = fields.split_at_checked(len).ok_or(INVALID)?;
        filters.push((id, properties.to_vec()));
        fields = rest;
    }
    if compressed == Some(0) || fields.iter().any(|byte| *byte != 0) {
        return Err(INVALID);
    }
    Ok(BlockHeader { compressed, uncompressed, filters })
}

/// The dictionary of an LZMA2 filter, from its properties.
pub(super) fn dictionary(properties: &[u8]) -> Option<u64> {
    match properties {
        [40] => Some(u64::from(u32::MAX)),
        [bits @ 0..=39] => Some((2 | u64::from(bits & 1)) << (bits / 2 + 11)),
        _ => None,
    }
}

/// A number of the format, whose bytes come one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Number {
    value: u64,
    bytes: u32,
}

impl Number {
    /// One more byte; the value if it was the last one. `Err`: it is none.
    pub(super) fn add(&mut self, byte: u8) -> Result<Option<u64>, ()> {
        if self.bytes == 9 || (byte == 0 && self.bytes > 0) {
            return Err(());
        }
        self.value |= u64::from(byte & 0x7f) << (7 * self.bytes);
        self.bytes += 1;
        Ok((byte & 0x80 == 0).then_some(self.value))
    }
}

/// The number that these bytes begin with, taken.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = Number::default();
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        if let Some(value) = number.add(*first).ok()? {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        let read = |mut bytes: &[u8]| number(&mut bytes);
        assert_eq!(read(&[0]), Some(0));
        assert_eq!(read(&[0xff, 1]), Some(255));
        assert_eq!(read(&[0xff; 9]), None);
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Some(u64::MAX >> 1)
        );
        assert_eq!(read(&[0x80, 0]), None, "a longer spelling");
        assert_eq!(read(&[0x80]), None);
    }

    #[test]
    fn dictionaries_are_those_of_the_format() {
        assert_eq!(dictionary(&[0]), Some(4 << 10));
        assert_eq!(dictionary(&[1]), Some(6 << 10));
        assert_eq!(dictionary(&[39]), Some(3 << 30));
        assert_eq!(dictionary(&[40]), Some(u64::from(u32::MAX)));
        assert_eq!(dictionary(&[41]), None);
    }
}
