//! The saved form of a hasher: a small head and the algorithm's own midstate.
//!
//! | offset | size | content |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | algorithm: 1 MD5, 2 SHA-1, 3 SHA-256, 4 SHA-512, 5 BLAKE3, 6 CRC-32, 7 CRC-32C, 8 CRC-64/NVME |
//! | 2 | 8 | position: bytes hashed, little-endian |
//! | 10 | any | midstate |
//!
//! There is no checksum: the journal record around it has one.

use super::Algorithm;

/// The state of a hasher at a position, for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SavedState {
    /// How many bytes of the input the state covers; hashing continues with the byte at this offset.
    pub position: u64,
    /// The encoded state, which holds the position too. At most 2 KiB.
    pub bytes: Vec<u8>,
}

/// Why a saved state cannot be used. The input must be hashed from its start; nothing else is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The state was written by a version of piton with another format.
    #[error("the saved hash state has version {got}, this piton supports {VERSION}")]
    Version {
        /// The version that was found.
        got: u8,
    },
    /// The state is of another algorithm.
    #[error("the saved hash state is not one of {expected}")]
    Algorithm {
        /// The algorithm that was asked for.
        expected: Algorithm,
    },
    /// The state is cut short, too long, or contradicts itself.
    #[error("the saved hash state of {algorithm} is damaged")]
    Damaged {
        /// The algorithm that was asked for.
        algorithm: Algorithm,
    },
}

const VERSION: u8 = 1;

/// A bound on positions, 1 EiB: far from where the bit counters inside the hashes wrap.
const MAX_POSITION: u64 = 1 << 60;

pub(super) fn encode(algorithm: Algorithm, position: u64, midstate: &[u8]) -> SavedState {
    let mut bytes = vec![VERSION, algorithm.code()];
    bytes.extend_from_slice(&position.to_le_bytes());
    bytes.extend_from_slice(midstate);
    SavedState { position, bytes }
}

/// The position and the midstate in `bytes`.
pub(super) fn decode(algorithm: Algorithm, bytes: &[u8]) -> Result<(u64, &[u8]), RestoreError> {
    let damaged = RestoreError::Damaged { algorithm };
    let (&version, rest) = bytes.split_first().ok_or(damaged.clone())?;
    if version != VERSION {
        return Err(RestoreError::Version { got: version });
    }
    let (&found, rest) = rest.split_first().ok_or(damaged.clone())?;
    if found != algorithm.code() {
        return Err(RestoreError::Algorithm { expected: algorithm });
    }
    let (position, midstate) = rest.split_first_chunk::<8>().ok_or(damaged.clone())?;
    let position = u64::from_le_bytes(*position);
    if position > MAX_POSITION {
        return Err(damaged);
    }
    Ok((position, midstate))
}
