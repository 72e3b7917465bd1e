//! One digest: an algorithm and the bytes it should give.

use std::fmt;
use std::str::FromStr;

use super::{Algorithm, UnknownAlgorithm};

/// A digest of known algorithm and right length.
///
/// It is read from `ALG:HEX` (`sha256:9f86…`) and shown as lower-case hex without the algorithm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
}

impl Digest {
    /// A digest from its raw bytes; CRCs most significant byte first.
    ///
    /// # Errors
    /// [`DigestError::Length`] if the algorithm has digests of another length.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, DigestError> {
        if bytes.len() != algorithm.digest_len() {
            return Err(DigestError::Length { algorithm, got: bytes.len().saturating_mul(2) });
        }
        Ok(Digest { algorithm, bytes: bytes.into() })
    }

    /// A digest from its hex digits, in either case.
    ///
    /// # Errors
    /// [`DigestError::NotHex`] and [`DigestError::Length`].
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Result<Digest, DigestError> {
        if let Some(found) = hex.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(DigestError::NotHex { algorithm, found });
        }
        if hex.len() != algorithm.digest_len().saturating_mul(2) {
            return Err(DigestError::Length { algorithm, got: hex.len() });
        }
        let digits: Vec<u8> =
            hex.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| d.try_into().ok()).collect();
        let (pairs, _) = digits.as_chunks::<2>();
        Ok(Digest { algorithm, bytes: pairs.iter().map(|[high, low]| high << 4 | low).collect() })
    }

    /// What a hasher computed, whose length is right by construction.
    pub fn of_hasher(algorithm: Algorithm, bytes: Vec<u8>) -> Digest {
        Digest { algorithm, bytes: bytes.into() }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes, [`Algorithm::digest_len`] of them; CRCs most significant byte first.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads `ALG:HEX`; white space around either half does not count.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        Digest::from_hex(algorithm.trim().parse()?, hex.trim())
    }
}

/// A digest that cannot be right as it was written. Nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// There is no `ALG:` before the digits.
    #[error("a digest without an algorithm; write ALGORITHM:HEX, such as sha256:9f86…")]
    NoAlgorithm,
    /// The algorithm is not known.
    #[error(transparent)]
    UnknownAlgorithm(#[from] UnknownAlgorithm),
    /// Too few or too many digits.
    #[error("{algorithm} has {} hex digits, got {got}", .algorithm.digest_len() * 2)]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// How many hex digits came.
        got: usize,
    },
    /// A character that is no hex digit.
    #[error("{algorithm} needs hex digits (0-9, a-f), got {found:?}")]
    NotHex {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// The first character that is no hex digit.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows() {
        let digest: Digest = "MD5: D41D8CD98F00B204E9800998ECF8427E ".parse().unwrap();
        assert_eq!(digest.algorithm(), Algorithm::Md5);
        assert_eq!(digest.to_string(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(format!("{digest:?}"), "md5:d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(Digest::new(Algorithm::Md5, digest.as_bytes()), Ok(digest));
    }

    #[test]
    fn errors_say_what_was_expected() {
        let message = |text: &str| text.parse::<Digest>().unwrap_err().to_string();
        assert_eq!(
            message(&format!("sha256:{}", "0".repeat(63))),
            "sha256 has 64 hex digits, got 63"
        );
        assert_eq!(message("crc32c:0000000g"), "crc32c needs hex digits (0-9, a-f), got 'g'");
        assert!(message("sha3:00").starts_with("unknown digest algorithm \"sha3\""));
        assert!(message("00ff").contains("ALGORITHM:HEX"));
        assert_eq!(message("md5:+1"), "md5 needs hex digits (0-9, a-f), got '+'");
    }
}
