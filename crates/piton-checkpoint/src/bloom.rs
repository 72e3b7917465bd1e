//! A Bloom filter in blocks of half a cache line (the split block filter of Apache Parquet): one memory
//! access per hash.

const WORDS: usize = 8;

/// Odd factors that spread one hash over the words of a block.
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

/// A set of 64-bit hashes, with false positives and no false negatives. With 27 bits for each hash,
/// about one answer in 20,000 is a false positive; with 13 one in 250, with 7 one in 20.
#[derive(Debug)]
pub struct Bloom {
    blocks: Vec<[u32; WORDS]>,
}

impl Bloom {
    /// A filter of this many bytes, at least one block. The system allocates memory as it is touched.
    pub fn new(bytes: usize) -> Bloom {
        let blocks = bytes.checked_div(size_of::<[u32; WORDS]>()).unwrap_or(0).max(1);
        Bloom { blocks: vec![[0; WORDS]; blocks] }
    }

    /// Inserts a hash; returns whether it may have been inserted before.
    pub fn insert(&mut self, hash: u64) -> bool {
        let at = self.place(hash);
        let Some(block) = self.blocks.get_mut(at) else { return true };
        let mut there = true;
        for (word, bit) in block.iter_mut().zip(bits(hash)) {
            there &= *word & bit != 0;
            *word |= bit;
        }
        there
    }

    /// Whether it may have been inserted.
    pub fn contains(&self, hash: u64) -> bool {
        let block = self.blocks.get(self.place(hash));
        block.is_none_or(|block| block.iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0))
    }

    /// The block of a hash, chosen by its upper half.
    fn place(&self, hash: u64) -> usize {
        let scaled = (u128::from(hash) * self.blocks.len() as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

/// The bit of each word, chosen by the lower half of a hash.
fn bits(hash: u64) -> impl Iterator<Item = u32> {
    SALT.into_iter().map(move |salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a hash would spread them (the finalizer of SplitMix64).
    fn hash(number: u64) -> u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn nothing_is_forgotten_and_little_is_made_up() {
        // As for ten million in 32 MiB, and in 8 MiB.
        for (bits, most) in [(27, 10), (7, 8_000)] {
            let mut bloom = Bloom::new(100_000 * bits / 8);
            assert!(!(0..100_000).any(|number| bloom.contains(hash(number))));
            let made_up = (0..100_000).filter(|number| bloom.insert(hash(*number))).count();
            assert!(made_up <= most, "{made_up}");
            assert!((0..100_000).all(|number| bloom.contains(hash(number))));
            let others = (100_000..200_000).filter(|number| bloom.contains(hash(*number)));
            let others = others.count();
            assert!(others <= most * 2, "{others}");
        }
    }
}
