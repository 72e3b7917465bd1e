//! CRC32C, the checksum of extents and of journal records, and CRC-64.
//!
//! It finds bytes that a crash lost or a tool changed by accident. It does not stop somebody who changes
//! them on purpose.

/// CRC32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-64/NVME of `bytes`: a name for what they are, wherever 32 bits are too few.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}

/// CRC32C of two runs of bytes that follow each other, from their own CRCs and the length of the
/// second, without looking at the bytes.
///
/// A CRC is a polynomial over GF(2), and each byte that follows multiplies it by x^8, modulo P. So both
/// runs have the first CRC × x^(8 × `second_len`) + the second one.
pub fn combine(first: u32, second: u32, second_len: u64) -> u32 {
    let mut shifted = first;
    let mut rest = second_len;
    for powers in &POWERS {
        if rest == 0 || shifted == 0 {
            break;
        }
        if let Some(&power) = powers.get((rest % 16) as usize).filter(|&&power| power != ONE) {
            shifted = multiply(shifted, power);
        }
        rest /= 16;
    }
    shifted ^ second
}

/// P without its highest term, and 1. The highest bit stands for x^0, as in every CRC32C.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const ONE: u32 = 1 << 31;

/// x^(8 × d × 16^k) modulo P, for each digit d of a length in base 16, and each place k.
static POWERS: [[u32; 16]; 16] = {
    let mut powers = [[ONE; 16]; 16];
    let (mut k, mut base) = (0, ONE >> 8);
    while k < 16 {
        let mut d = 1;
        while d < 16 {
            powers[k][d] = multiply(powers[k][d - 1], base);
            d += 1;
        }
        base = multiply(powers[k][15], base);
        k += 1;
    }
    powers
};

/// The product of two polynomials modulo P.
const fn multiply(left: u32, right: u32) -> u32 {
    let (mut right, mut product) = (right, 0);
    let mut place = u32::BITS;
    while place > 0 {
        place -= 1;
        // Masks in place of branches, which no processor could predict.
        product ^= right & (left >> place & 1).wrapping_neg();
        right = right >> 1 ^ POLYNOMIAL & (right & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_algorithm_is_crc_32_iscsi() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn combining_is_the_crc_of_the_whole() {
        let bytes: Vec<u8> = (0..9000_u32).map(|i| (i % 251) as u8).collect();
        for cut in [0, 1, 4096, 8999, 9000] {
            let (first, second) = bytes.split_at(cut);
            let combined = combine(crc32c(first), crc32c(second), second.len() as u64);
            assert_eq!(combined, crc32c(&bytes), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_of_any_bytes(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            let combined = combine(crc32c(first), crc32c(second), second.len() as u64);
            prop_assert_eq!(combined, crc32c(&bytes));
        }

        /// The library has its own way, which is right and slow.
        #[test]
        fn any_length_agrees_with_the_library(first: u32, second: u32, len: u64, shift in 0..64_u32) {
            let len = len >> shift;
            let algorithm = crc_fast::CrcAlgorithm::Crc32Iscsi;
            let theirs = crc_fast::checksum_combine(algorithm, first.into(), second.into(), len);
            prop_assert_eq!(u64::from(combine(first, second, len)), theirs);
        }
    }
}
