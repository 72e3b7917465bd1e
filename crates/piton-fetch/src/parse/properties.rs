//! What must hold of each parser for every input.
//!
//! One function per parser, from raw bytes; it panics if the property does not hold. The fuzz targets
//! call these same functions (the fuzz crate includes this file), and the tests at the end look whether
//! they hold near the seeds of the targets and for random bytes.

use std::ops::Range;

use crate::parse::aria2_control::ControlFile;
use crate::parse::checksum_file::ChecksumFile;
use crate::parse::file_name::FileName;
use crate::parse::size;

/// A proposed name is safe once cleaned, and cleaning it again changes nothing.
pub fn file_name(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let Some(name) = FileName::clean(&raw) else { return };
    let text = name.as_str();
    assert!(!text.is_empty() && text.len() <= 255);
    assert!(!text.contains(['/', '\\', '\0', '\n', '\u{202e}']));
    assert!(!text.starts_with(['.', '-', ' ']) && !text.ends_with(['.', ' ']));
    let lower = text.to_ascii_lowercase();
    assert!(!lower.ends_with(".part") && !lower.ends_with(".piton"), "{text:?}");
    assert_eq!(FileName::clean(text).as_ref(), Some(&name));
}

/// A size and a duration are read as they are written.
pub fn sizes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(bytes) = size::parse_size(&text) {
        assert_eq!(size::parse_size(&bytes.to_string()), Ok(bytes));
    }
    if let Ok(duration) = size::parse_duration(&text) {
        let millis = format!("{}ms", duration.as_millis());
        assert_eq!(
            size::parse_duration(&millis).map(|d| d.as_millis()),
            Ok(duration.as_millis()),
            "{millis}"
        );
    }
}

/// A digest that is found has the length of its algorithm, whatever name and hint.
pub fn checksum_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for hint in ["SHA256SUMS", "B3SUMS", "B2SUMS"] {
        let Ok(file) = ChecksumFile::parse(data, hint) else { continue };
        for name in text.split_ascii_whitespace().chain(["a"]) {
            if let Some(digest) = file.lookup(name) {
                assert_eq!(digest.as_bytes().len(), digest.algorithm().digest_len());
                assert_eq!(format!("{digest:?}").parse().as_ref(), Ok(&digest));
            }
        }
    }
}

/// What a control file claims lies within the file, in order, and says each byte once. Both for the bytes
/// as they are and for a file made of them, of which it is known what it claims.
pub fn aria2_control(data: &[u8]) {
    if let Ok(control) = ControlFile::parse(data) {
        let mut end = None;
        for claim in control.claims() {
            assert!(claim.start < claim.end && claim.end <= control.total(), "{claim:?}");
            assert!(end.is_none_or(|end| end < claim.start), "{claim:?} after {end:?}");
            end = Some(claim.end);
        }
    }
    for (version, big) in [(0, false), (0, true), (1, true)] {
        let Some(made) = made_control(data, version, big) else { return };
        let control = ControlFile::parse(&made.bytes).unwrap();
        assert_eq!(control.total(), made.total);
        let mut claimed: Vec<Range<u64>> = Vec::new();
        for block in made.blocks {
            match claimed.last_mut() {
                Some(Range { end, .. }) if *end == block.start => *end = block.end,
                _ => claimed.push(block),
            }
        }
        assert_eq!(control.claims().collect::<Vec<_>>(), claimed, "version {version}");
    }
}

/// A control file, and the blocks that it says are there, in order.
struct Made {
    bytes: Vec<u8>,
    total: u64,
    blocks: Vec<Range<u64>>,
}

/// The first bytes say how long the pieces and the file are; then comes a bit for each of at most 64
/// pieces, and of one in flight a bit for each of its blocks.
fn made_control(data: &[u8], version: u8, big: bool) -> Option<Made> {
    const BLOCK: u64 = 16 << 10;
    let [length, short, count, flying, rest @ ..] = data else { return None };
    let piece = (1 + u64::from(*length)) * 3000;
    let count = 1 + u64::from(*count) % 64;
    let total = piece * count - u64::from(*short) % piece;
    let flying = u64::from(*flying) % count;
    let len_of = |index: u64| piece.min(total - index * piece);
    let (bits, rest) = rest.split_at_checked(count.div_ceil(8) as usize)?;
    let (flying_bits, _) =
        rest.split_at_checked(len_of(flying).div_ceil(BLOCK).div_ceil(8) as usize)?;

    let mut bytes = vec![0, version];
    let mut number = |number: u64, width: usize, bits: &[u8]| {
        let digits = if big { number.to_be_bytes() } else { number.to_le_bytes() };
        bytes.extend(if big { &digits[8 - width..] } else { &digits[..width] });
        bytes.extend(bits);
    };
    for (field, width) in [(0, 4), (0, 4), (piece, 4), (total, 8), (0, 8)] {
        number(field, width, &[]);
    }
    number(bits.len() as u64, 4, bits);
    for field in [1, flying, len_of(flying)] {
        number(field, 4, &[]);
    }
    number(flying_bits.len() as u64, 4, flying_bits);

    let is_set = |bits: &[u8], at: u64| bits[at as usize / 8] & (0x80 >> (at % 8)) != 0;
    let all =
        (0..count).flat_map(|index| (0..len_of(index).div_ceil(BLOCK)).map(move |at| (index, at)));
    let there = |&(index, at): &(u64, u64)| {
        is_set(bits, index) || index == flying && is_set(flying_bits, at)
    };
    let range = |(index, at): (u64, u64)| {
        let start = index * piece + at * BLOCK;
        start..(start + BLOCK).min(index * piece + len_of(index))
    };
    Some(Made { bytes, total, blocks: all.filter(there).map(range).collect() })
}

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    #[test]
    fn file_name() {
        Target::new("file_name", super::file_name).holds();
    }

    #[test]
    fn sizes() {
        Target::new("sizes", super::sizes).holds();
    }

    #[test]
    fn checksum_file() {
        Target::new("checksum_file", super::checksum_file).holds();
    }

    #[test]
    fn aria2_control() {
        Target::new("aria2_control", super::aria2_control).holds();
    }
}
