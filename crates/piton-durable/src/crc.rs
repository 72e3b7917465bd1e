//! CRC32C: the checksum of extents and of journal records.
//!
//! It finds bytes that a crash lost or a tool changed by accident; it is no defence against someone
//! who changes them on purpose.

use crc_fast::CrcAlgorithm::Crc32Iscsi;

/// CRC32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC32C of two runs of bytes that follow each other, from their own CRCs and the length of the
/// second, without looking at the bytes.
pub fn combine(first: u32, second: u32, second_len: u64) -> u32 {
    if first == 0 {
        // Zeros stay zeros however far they are shifted; and the shift is the dear part.
        return second;
    }
    // The algorithm is 32 bits wide; nothing is cut off.
    crc_fast::checksum_combine(Crc32Iscsi, first.into(), second.into(), second_len) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combining_is_the_crc_of_the_whole() {
        // The check value of CRC-32/ISCSI.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let bytes: Vec<u8> = (0..9000_u32).map(|i| (i % 251) as u8).collect();
        for cut in [0, 1, 4096, 8999, 9000] {
            let (first, second) = bytes.split_at(cut);
            let combined = combine(crc32c(first), crc32c(second), second.len() as u64);
            assert_eq!(combined, crc32c(&bytes), "cut at {cut}");
        }
    }
}
