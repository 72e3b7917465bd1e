//! The digest algorithms piton computes.

use std::fmt;
use std::str::FromStr;

/// A digest algorithm.
///
/// The order is that of strength: of two algorithms that speak of one file, the greater is the better
/// proof. The CRCs find accidents only; MD5 and SHA-1 do not stand against someone who means harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// CRC-32 as in zip and gzip (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// MD5, 16 bytes (RFC 1321).
    Md5,
    /// SHA-1, 20 bytes (FIPS 180-4).
    Sha1,
    /// BLAKE3, 32 bytes.
    Blake3,
    /// SHA-256, 32 bytes (FIPS 180-4).
    Sha256,
    /// SHA-512, 64 bytes (FIPS 180-4).
    Sha512,
}

impl Algorithm {
    /// Whether it tells a file from any other, also from one that was made to deceive. A CRC finds
    /// accidents only.
    pub fn judges(self) -> bool {
        !matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64Nvme)
    }

    /// Every algorithm, weakest first.
    pub const ALL: [Algorithm; 8] = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64Nvme,
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Blake3,
        Algorithm::Sha256,
        Algorithm::Sha512,
    ];

    /// The length of a digest, in bytes; in hex it has twice as many digits.
    pub fn digest_len(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme => 8,
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Blake3 | Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// The number that stands for it in a journal.
    pub fn code(self) -> u8 {
        match self {
            Algorithm::Md5 => 1,
            Algorithm::Sha1 => 2,
            Algorithm::Sha256 => 3,
            Algorithm::Sha512 => 4,
            Algorithm::Blake3 => 5,
            Algorithm::Crc32 => 6,
            Algorithm::Crc32c => 7,
            Algorithm::Crc64Nvme => 8,
        }
    }

    /// The name as it is printed and as `--checksum` takes it, such as `sha256`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "crc32",
            Algorithm::Crc32c => "crc32c",
            Algorithm::Crc64Nvme => "crc64nvme",
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Blake3 => "blake3",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Case, `-` and `_` do not count: `SHA256`, `sha-256` and `sha_256` are one.
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let plain: String = name
            .chars()
            .filter(|c| !matches!(c, '-' | '_'))
            .map(|c| c.to_ascii_lowercase())
            .take(16)
            .collect();
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == plain)
            .ok_or_else(|| UnknownAlgorithm { name: name.chars().take(40).collect() })
    }
}

/// A digest algorithm that piton does not know. The user's or the server's; nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown digest algorithm {name:?}; known are md5, sha1, sha256, sha512, blake3, crc32, crc32c and crc64nvme"
)]
pub struct UnknownAlgorithm {
    /// The name as it was given, at most 40 characters of it.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_tolerant() {
        for (name, algorithm) in [
            ("sha-256", Algorithm::Sha256),
            ("SHA256", Algorithm::Sha256),
            ("Sha_512", Algorithm::Sha512),
            ("sha-1", Algorithm::Sha1),
            ("MD5", Algorithm::Md5),
            ("BLAKE3", Algorithm::Blake3),
            ("crc32c", Algorithm::Crc32c),
            ("crc-32", Algorithm::Crc32),
            ("CRC64NVME", Algorithm::Crc64Nvme),
        ] {
            assert_eq!(name.parse(), Ok(algorithm), "{name}");
        }
        for name in ["", "sha", "sha3-256", "sha2560", "sha256 ", "blake2b", "sha256sha256sha256"] {
            assert!(name.parse::<Algorithm>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn every_name_is_read_back() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
    }

    #[test]
    fn the_order_is_that_of_strength() {
        assert!(Algorithm::ALL.is_sorted());
        assert!(Algorithm::Sha256 > Algorithm::Md5);
        assert!(Algorithm::Md5 > Algorithm::Crc32c);
    }
}
