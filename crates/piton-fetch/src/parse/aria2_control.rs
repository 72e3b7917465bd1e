//! Control files of aria2 (`NAME.aria2`), as the "Technical Notes" of its manual describe them.
//!
//! A control file says which pieces of a download are there. It does not say from where, and what it says
//! is not durable: after a power cut its pieces can be zeros.

use std::ops::Range;

use piton_remote::ParseError;

/// In-flight pieces are noted in blocks of this many bytes.
const BLOCK: u64 = 16 << 10;

/// What a control file says of a download over HTTP or FTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    total: u64,
    piece: u64,
    /// A bit per piece, the first one highest.
    pieces: Vec<u8>,
    /// Pieces that were under way, in order of their index, which is unique.
    in_flight: Vec<InFlight>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct InFlight {
    index: u64,
    /// A bit per block.
    blocks: Vec<u8>,
}

/// Why nothing can be made of a control file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// It is damaged, or something else.
    #[error(transparent)]
    Rubbish(#[from] ParseError),
    /// A download over BitTorrent: there is no server to compare it with.
    #[error("it belongs to a BitTorrent download")]
    Torrent,
}

impl ControlFile {
    /// The longest control file that is read: room for 32 million pieces, which aria2 makes of 1 MiB each.
    pub const MAX_BYTES: usize = 4 << 20;

    /// Reads a control file of version 1, which is big-endian, or 0, which has the byte order of the
    /// machine that wrote it.
    ///
    /// # Errors
    /// [`ControlError::Torrent`] where it has an info hash. Every length in it must fit the others, so
    /// that what is allocated is bounded by `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        let wrong = |why| ControlError::from(ParseError::new("aria2 control file", why, bytes));
        if bytes.len() > Self::MAX_BYTES {
            return Err(wrong("it is too long"));
        }
        match bytes {
            [0, 1, ..] => Self::read(Reader { rest: bytes, big: true }).map_err(wrong)?,
            // Only one of the two orders makes sense, since the lengths have to agree.
            [0, 0, ..] => Self::read(Reader { rest: bytes, big: false })
                .or_else(|_| Self::read(Reader { rest: bytes, big: true }))
                .map_err(wrong)?,
            _ => return Err(wrong("it does not start with a known version")),
        }
        .ok_or(ControlError::Torrent)
    }

    /// `None`: of BitTorrent.
    fn read(mut from: Reader<'_>) -> Result<Option<Self>, &'static str> {
        const SHORT: &str = "it is cut off";
        from.take(6).ok_or(SHORT)?;
        if from.u32().ok_or(SHORT)? != 0 {
            return Ok(None);
        }
        let piece = u64::from(from.u32().ok_or(SHORT)?);
        let total = from.u64().ok_or(SHORT)?;
        let _uploaded = from.u64().ok_or(SHORT)?;
        if piece == 0 || total > i64::MAX as u64 {
            return Err("its lengths are inconsistent");
        }
        let count = total.div_ceil(piece);
        let pieces = from.bits(count).ok_or("its bitfield does not fit its lengths")?;

        let mut in_flight: Vec<InFlight> = Vec::new();
        for _ in 0..from.u32().ok_or(SHORT)? {
            let (index, len) = (from.u32().ok_or(SHORT)?, from.u32().ok_or(SHORT)?);
            let (index, len) = (u64::from(index), u64::from(len));
            // The multiplication cannot overflow: an index below the count lies within the total.
            if index >= count || len != piece.min(total - index * piece) {
                return Err("a piece in flight does not exist");
            }
            let blocks = from.bits(len.div_ceil(BLOCK));
            let blocks = blocks.ok_or("the bitfield of a piece does not fit its length")?;
            in_flight.push(InFlight { index, blocks });
        }
        if !from.rest.is_empty() {
            return Err("it has data after its end");
        }
        in_flight.sort_by_key(|piece| piece.index);
        if in_flight.windows(2).any(|two| matches!(two, [a, b] if a.index == b.index)) {
            return Err("a piece is in flight twice");
        }
        Ok(Some(Self { total, piece, pieces, in_flight }))
    }

    /// The length of the whole file in bytes.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bytes that are said to be there, in order, neither overlapping nor touching.
    pub fn claims(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        join(self.raw_claims())
    }

    fn raw_claims(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut in_flight = self.in_flight.iter().peekable();
        (0..self.total.div_ceil(self.piece)).flat_map(move |index| {
            let start = index * self.piece;
            let end = start.saturating_add(self.piece).min(self.total);
            let blocks = in_flight.next_if(|piece| piece.index == index);
            let whole = is_set(&self.pieces, index).then_some(start..end);
            let blocks = blocks.filter(|_| whole.is_none()).map(|piece| {
                (0..(end - start).div_ceil(BLOCK)).filter_map(move |block| {
                    let first = start + block * BLOCK;
                    is_set(&piece.blocks, block).then(|| first..(first + BLOCK).min(end))
                })
            });
            whole.into_iter().chain(blocks.into_iter().flatten())
        })
    }
}

/// The bit of this number, counted from the highest of the first byte.
fn is_set(bits: &[u8], number: u64) -> bool {
    let byte = usize::try_from(number / 8).ok().and_then(|at| bits.get(at));
    byte.is_some_and(|byte| byte & (0x80 >> (number % 8)) != 0)
}

/// Joins ranges that touch.
fn join(ranges: impl Iterator<Item = Range<u64>>) -> impl Iterator<Item = Range<u64>> {
    let mut ranges = ranges.peekable();
    std::iter::from_fn(move || {
        let mut joined = ranges.next()?;
        while let Some(next) = ranges.next_if(|next| next.start == joined.end) {
            joined.end = next.end;
        }
        Some(joined)
    })
}

/// Takes numbers off the front.
struct Reader<'a> {
    rest: &'a [u8],
    big: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.array()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn u64(&mut self) -> Option<u64> {
        let bytes = self.array()?;
        Some(if self.big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    /// A bitfield with its length, which must be that of `count` bits.
    fn bits(&mut self, count: u64) -> Option<Vec<u8>> {
        let len = self.u32()?;
        if u64::from(len) != count.div_ceil(8) {
            return None;
        }
        Some(self.take(usize::try_from(len).ok()?)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;

    /// A control file of five pieces of 64 KiB, the last one short, of which 0, 1 and 4 are there, and of
    /// piece 2 the first and the third block.
    fn example(version: u8) -> Vec<u8> {
        let u32 = |n: u32| if version == 1 { n.to_be_bytes() } else { n.to_le_bytes() };
        let u64 = |n: u64| if version == 1 { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut bytes = vec![0, version, 0, 0, 0, 0];
        bytes.extend(u32(0));
        bytes.extend(u32(64 << 10));
        bytes.extend(u64(4 * 64 * KIB + 1000));
        bytes.extend(u64(0));
        bytes.extend(u32(1));
        bytes.push(0b1100_1111);
        bytes.extend(u32(1));
        bytes.extend(u32(2));
        bytes.extend(u32(64 << 10));
        bytes.extend(u32(1));
        bytes.push(0b1010_0000);
        bytes
    }

    #[test]
    fn what_is_there() {
        for version in [0, 1] {
            let control = ControlFile::parse(&example(version)).unwrap();
            assert_eq!(control.total(), 256 * KIB + 1000);
            let claims: Vec<_> = control.claims().collect();
            let expected = [0..144 * KIB, 160 * KIB..176 * KIB, 256 * KIB..256 * KIB + 1000];
            assert_eq!(claims, expected, "version {version}");
        }
    }

    #[test]
    fn what_cannot_be_used() {
        let mut torrent = example(1);
        torrent[9] = 20;
        torrent.splice(10..10, [7; 20]);
        assert_eq!(ControlFile::parse(&torrent), Err(ControlError::Torrent));

        let why = |change: fn(&mut Vec<u8>)| {
            let mut bytes = example(1);
            change(&mut bytes);
            match ControlFile::parse(&bytes) {
                Err(ControlError::Rubbish(error)) => error.why(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(why(|b| b[1] = 2), "it does not start with a known version");
        assert_eq!(why(Vec::clear), "it does not start with a known version");
        assert_eq!(why(|b| b.truncate(20)), "it is cut off");
        assert_eq!(why(|b| b.push(0)), "it has data after its end");
        assert_eq!(why(|b| b.resize(ControlFile::MAX_BYTES + 1, 0)), "it is too long");
        // Nothing is allocated for pieces that the file has no room to tell of.
        assert_eq!(why(|b| b[30..34].fill(0xff)), "its bitfield does not fit its lengths");
        assert_eq!(why(|b| b[10..14].fill(0)), "its lengths are inconsistent");
        assert_eq!(why(|b| b[14] = 0xff), "its lengths are inconsistent");
        assert_eq!(why(|b| b[18] = 1), "its bitfield does not fit its lengths");
        assert_eq!(why(|b| b[42] = 9), "a piece in flight does not exist");
        assert_eq!(why(|b| b[50] = 9), "the bitfield of a piece does not fit its length");
    }
}
