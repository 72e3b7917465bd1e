//! The 48-bit marks of bzip2, which stand at any bit: what blocks begin with, and what the end of a stream does.

/// The mark of a block: the digits of pi.
pub(super) const BLOCK: u64 = 0x3141_5926_5359;
/// The mark of the end of a stream: those of its square root.
pub(super) const END: u64 = 0x1772_4538_5090;
/// The bits of a mark.
pub(super) const BITS: u64 = 48;

const MASK: u64 = (1 << BITS) - 1;

/// Which bytes can be the third last one of a mark, wherever it stands: most of a file is passed by this alone.
const POSSIBLE: [bool; 256] = {
    let mut possible = [false; 256];
    let mut shift = 0;
    while shift < 8 {
        possible[((BLOCK >> (24 - shift)) & 0xff) as usize] = true;
        possible[((END >> (24 - shift)) & 0xff) as usize] = true;
        shift += 1;
    }
    possible
};

/// What looks like a mark. It may be part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where it begins, in bits of the file.
    pub(super) bit: u64,
    pub(super) is_block: bool,
}

/// Looks for marks in bytes that come in order.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// The last eight bytes.
    last: u64,
    /// The byte of the file that comes next.
    pub(super) at: u64,
}

impl Scan {
    /// From this byte of the file on.
    pub(super) fn new(at: u64) -> Self {
        Self { last: 0, at }
    }

    /// Scans these bytes, which come next, as far as the end of the first mark.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<Mark> {
        for byte in bytes {
            self.last = self.last << 8 | u64::from(*byte);
            self.at += 1;
            let possible = POSSIBLE.get((self.last >> 24 & 0xff) as usize).copied();
            if possible == Some(true)
                && let Some(mark) = self.here()
            {
                return Some(mark);
            }
        }
        None
    }

    /// The mark that ends in the last byte.
    #[cold]
    fn here(&self) -> Option<Mark> {
        (0..8).find_map(|shift| {
            let bits = self.last >> shift & MASK;
            let bit = (self.at * 8).checked_sub(shift + BITS)?;
            (bits == BLOCK || bits == END).then_some(Mark { bit, is_block: bits == BLOCK })
        })
    }
}

/// Up to 64 bits of these bytes, from bit `from` on. `None`: there are not so many.
pub(super) fn bits(bytes: &[u8], from: u64, count: u32) -> Option<u64> {
    let first = usize::try_from(from / 8).ok()?;
    let shift = (from % 8) as u32;
    let len = (shift + count).div_ceil(8) as usize;
    let bytes = bytes.get(first..first.checked_add(len)?)?;
    let all = bytes.iter().fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let rest = len as u32 * 8 - shift - count;
    Some((all >> rest) as u64 & (u64::MAX >> (64 - count.clamp(1, 64))))
}

/// These bytes from bit `shift` of the first one on, `shift` being 1 to 7: one byte less, or as many with zeros behind.
pub(super) fn shifted(bytes: &[u8], shift: u32, into: &mut Vec<u8>, count: usize) {
    into.clear();
    let next = bytes.iter().skip(1).chain(std::iter::once(&0));
    into.extend(
        bytes.iter().zip(next).take(count).map(|(this, next)| this << shift | next >> (8 - shift)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_at_every_bit() {
        for (mark, is_block) in [(BLOCK, true), (END, false)] {
            for shift in 0..8_u32 {
                // Three bytes of noise, then the mark behind `shift` bits.
                let mut all = vec![0x31, 0x41, 0xff];
                let field = u128::from(mark) << (80 - shift);
                all.extend(&field.to_be_bytes()[..10]);
                let wanted = Mark { bit: 1000 * 8 + 24 + u64::from(shift), is_block };
                let mut scan = Scan::new(1000);
                let found = (0..all.len()).find_map(|at| scan.find(&all[at..=at]));
                assert_eq!(found, Some(wanted));
                assert_eq!(bits(&all, 24 + u64::from(shift), 48), Some(mark));
                assert_eq!(Scan::new(1000).find(&all), Some(wanted));
            }
        }
    }

    #[test]
    fn bits_are_those_that_a_shift_gives() {
        let bytes = [0b1010_0110, 0b0101_1111, 0x12, 0x34];
        let mut moved = Vec::new();
        shifted(&bytes, 3, &mut moved, 3);
        assert_eq!(
            moved,
            [bits(&bytes, 3, 8), bits(&bytes, 11, 8), bits(&bytes, 19, 8)]
                .map(|it| it.unwrap() as u8)
        );
        assert_eq!(bits(&bytes, 25, 8), None);
        assert_eq!(bits(&bytes, 24, 8), Some(0x34));
    }
}
