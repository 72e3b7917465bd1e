//! Deterministic bytes that can be computed at any offset, so that a 20 GiB resource needs no
//! memory.
//!
//! Each 4 KiB block is a window of one fixed random table, chosen by seed and block number, under a
//! stamp of both. A block at the wrong place, or of the wrong seed, therefore differs in nearly
//! every byte, and filling costs a copy: several GB/s even in an unoptimised build.

use std::ops::Range;
use std::sync::OnceLock;

const BLOCK: usize = 4096;
const TABLE: usize = 64 * 1024;
const STAMP: usize = 16;

/// Writes the bytes of pattern `seed` from `offset` on into `buf`.
pub fn fill(seed: u64, offset: u64, buf: &mut [u8]) {
    walk(offset, buf.len(), |block, within, place| {
        let stamp = stamp(seed, block);
        let window = window(seed, block);
        let out = &mut buf[place];
        out.copy_from_slice(&window[within.clone()]);
        if within.start < STAMP {
            let end = within.end.min(STAMP);
            out[..end - within.start].copy_from_slice(&stamp[within.start..end]);
        }
    });
}

/// The first `len` bytes of pattern `seed`.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    fill(seed, 0, &mut buf);
    buf
}

/// Where `buf` first differs from pattern `seed` at `offset`, as an offset in the pattern; `None`
/// when it agrees.
pub fn first_difference(seed: u64, offset: u64, buf: &[u8]) -> Option<u64> {
    let mut expected = [0; BLOCK];
    let mut at = offset;
    for part in buf.chunks(BLOCK) {
        let expected = &mut expected[..part.len()];
        fill(seed, at, expected);
        if part != expected {
            let index = part.iter().zip(&*expected).take_while(|(a, b)| a == b).count();
            return Some(at + index as u64);
        }
        at += part.len() as u64;
    }
    None
}

/// Calls `visit(block number, range within the block, range within the buffer)` for each block that
/// is touched.
fn walk(offset: u64, len: usize, mut visit: impl FnMut(u64, Range<usize>, Range<usize>)) {
    let mut done = 0;
    while done < len {
        let at = offset + done as u64;
        let within = (at % BLOCK as u64) as usize;
        let n = (BLOCK - within).min(len - done);
        visit(at / BLOCK as u64, within..within + n, done..done + n);
        done += n;
    }
}

fn window(seed: u64, block: u64) -> &'static [u8] {
    let start = (mix(seed ^ mix(block)) % TABLE as u64) as usize;
    &table()[start..start + BLOCK]
}

fn stamp(seed: u64, block: u64) -> [u8; STAMP] {
    let mut stamp = [0; STAMP];
    stamp[..8].copy_from_slice(&mix(seed.wrapping_add(mix(!block))).to_le_bytes());
    stamp[8..].copy_from_slice(&mix(block.wrapping_add(mix(!seed))).to_le_bytes());
    stamp
}

fn table() -> &'static [u8] {
    static TABLE_BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE_BYTES.get_or_init(|| {
        (0..(TABLE + BLOCK) as u64 / 8).flat_map(|i| mix(i).to_le_bytes()).collect()
    })
}

/// SplitMix64's finaliser: every input bit reaches every output bit.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_equals_the_same_piece_of_the_whole() {
        let whole = bytes(7, 3 * BLOCK + 100);
        for (start, end) in
            [(0, 1), (3, 20), (15, 17), (4090, 4120), (1, 12_000), (4096, 8192), (12_288, 12_388)]
        {
            let mut piece = vec![0; end - start];
            fill(7, start as u64, &mut piece);
            assert_eq!(piece, whole[start..end], "{start}..{end}");
        }
    }

    #[test]
    fn other_seeds_and_other_places_differ() {
        let a = bytes(1, 1 << 20);
        assert_ne!(a[..64], bytes(2, 64)[..]);
        assert_ne!(a[..BLOCK], a[BLOCK..2 * BLOCK]);
        let mut stamps: Vec<_> = a.chunks(BLOCK).map(|block| block[..STAMP].to_vec()).collect();
        stamps.sort();
        stamps.dedup();
        assert_eq!(stamps.len(), (1 << 20) / BLOCK);
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut buf = vec![0; 10_000];
        fill(3, 1 << 34, &mut buf);
        assert_eq!(first_difference(3, 1 << 34, &buf), None);
        buf[9_001] ^= 1;
        assert_eq!(first_difference(3, 1 << 34, &buf), Some((1 << 34) + 9_001));
    }

    #[test]
    fn a_gigabyte_takes_less_than_a_second_or_so() {
        let mut buf = vec![0; 1 << 20];
        let start = std::time::Instant::now();
        for i in 0..256 {
            fill(9, i << 20, &mut buf);
        }
        // A quarter of a gigabyte; the bound leaves room for a machine that is busy with other
        // tests.
        assert!(start.elapsed().as_secs_f64() < 2.0, "{:?}", start.elapsed());
    }
}
