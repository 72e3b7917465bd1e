//! Choices that can be made again: each test says its seed when it fails.

/// What `PITON_TEST_SEED` says, or 1.
pub fn seed() -> u64 {
    let given = std::env::var("PITON_TEST_SEED").ok();
    given.map_or(1, |seed| seed.parse().expect("PITON_TEST_SEED is a number"))
}

/// A number for this round, below `bound`, which is not 0 (SplitMix64).
pub fn draw(round: u64, bound: u64) -> u64 {
    let mut z = seed().wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add(round);
    z = z.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % bound
}
