//! A Bloom filter in blocks of a cache line's half (the split block filter of Apache Parquet): one access
//! to memory per item.

const WORDS: usize = 8;

/// Odd numbers that spread one hash over the words of a block.
const SALT: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// What was inserted, with false positives and no false negatives.
#[derive(Debug)]
pub(super) struct Bloom {
    blocks: Vec<[u32; WORDS]>,
}

impl Bloom {
    /// A filter of so many bytes, at least of one block. Memory is taken as it is touched.
    pub(super) fn new(bytes: usize) -> Bloom {
        let blocks = bytes.checked_div(size_of::<[u32; WORDS]>()).unwrap_or(0).max(1);
        Bloom { blocks: vec![[0; WORDS]; blocks] }
    }

    /// Inserts it; whether it may have been there before.
    pub(super) fn insert(&mut self, fingerprint: u64) -> bool {
        let at = super::seen::share(fingerprint, self.blocks.len());
        let Some(block) = self.blocks.get_mut(at) else { return true };
        // The upper half chose the block.
        let hash = fingerprint as u32;
        let mut there = true;
        for (word, salt) in block.iter_mut().zip(SALT) {
            let bit = 1 << (hash.wrapping_mul(salt) >> 27);
            there &= *word & bit != 0;
            *word |= bit;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Content;

    #[test]
    fn nothing_is_forgotten_and_little_is_made_up() {
        // 27 bits for each, as for ten million in 32 MiB.
        let mut bloom = Bloom::new(100_000 * 27 / 8);
        let numbers = || (0..100_000).map(|number| Content::numbered(number).fingerprint());
        let made_up = numbers().filter(|number| bloom.insert(*number)).count();
        assert!(made_up <= 10, "{made_up}");
        assert!(numbers().all(|number| bloom.insert(number)));
    }
}
