//! The bytes of a journal. `docs/journal-format.md` draws them.

use std::ops::Range;

use crate::extent::Extent;
pub use crate::framed::{FRAME_LEN, HEADER_LEN};
use crate::framed::{Head, encode_frame, take};
use crate::fs::FileId;

/// The first eight bytes. The high bit and the line end reveal a transfer that damaged the file.
pub const MAGIC: [u8; 8] = *b"\x89PITON\r\n";
/// The format that this program writes.
pub const VERSION: u16 = 1;
/// The longest payload of a record.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// The longest saved hash state.
pub const MAX_HASH_STATE: usize = 64 << 10;
/// The longest journal. Compaction keeps real ones far below it.
pub const MAX_JOURNAL: u64 = 64 << 20;

/// The header of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Format version.
    pub version: u16,
    /// Random; every record of this journal repeats it, so that a record of an older journal in
    /// recycled disk blocks does not count.
    pub salt: u64,
    /// The [identity](part_identity) of the part that this journal is about, or
    /// [`UNKNOWN_PART`]. Nothing of another file under its name is believed without reading it.
    pub part_identity: u64,
}

/// Instead of a part's identity: the file system cannot distinguish a file from a later one with the same
/// inode number.
pub const UNKNOWN_PART: u64 = 0;

/// Which file the part is, as the header of its journal has it: from inode and birth, since a later file can
/// have the same inode number. Without the device, whose number can change when the machine starts
/// again.
///
/// Of two files with one inode number, or with one birth, no two have the same identity: the factor is
/// odd.
pub fn part_identity(part: FileId) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    match part.birth {
        Some(birth) => part.inode.wrapping_mul(FACTOR).wrapping_add(birth).max(1),
        None => UNKNOWN_PART,
    }
}

/// What a journal record says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// The description of the download; opaque here. Replaces an earlier one.
    Meta(Vec<u8>),
    /// These bytes were written to the part. Survives a kill; after a power cut only reading them
    /// back proves it.
    Written(Extent),
    /// Everything claimed by records up to this sequence number was synced before this record.
    Synced {
        /// That sequence number.
        through: u64,
    },
    /// A hash state; opaque here. Replaces an earlier one of its kind.
    Hash {
        /// Which hash.
        kind: u8,
        /// Its state.
        state: Vec<u8>,
    },
    /// Claims on these bytes, and all hash states, are taken back.
    Forget(Range<u64>),
    /// Everything was verified, and the file has this length; only finishing it is missing.
    Verified {
        /// The final length in bytes.
        len: u64,
    },
}

impl Header {
    /// Whether the journal is about this very file, for certain.
    pub fn is_about(&self, part: FileId) -> bool {
        self.part_identity != UNKNOWN_PART && self.part_identity == part_identity(part)
    }

    /// The 32 bytes at the start of the journal.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        Head { version: self.version, salt: self.salt, tag: self.part_identity }.encode(MAGIC)
    }
}

impl Record {
    /// The type byte.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Meta(_) => 1,
            Self::Written(_) => 2,
            Self::Synced { .. } => 3,
            Self::Hash { .. } => 4,
            Self::Forget(_) => 5,
            Self::Verified { .. } => 6,
        }
    }

    /// Whether a reader would accept it: the payload is within its limit and makes sense.
    pub(crate) fn is_writable(&self) -> bool {
        match self {
            Self::Meta(meta) => meta.len() <= MAX_PAYLOAD,
            Self::Written(extent) => extent.is_possible(),
            Self::Hash { state, .. } => state.len() <= MAX_HASH_STATE,
            Self::Forget(range) => range.start < range.end,
            Self::Synced { .. } | Self::Verified { .. } => true,
        }
    }

    /// Appends the whole record to `out`.
    pub fn encode(&self, salt: u64, sequence: u64, out: &mut Vec<u8>) {
        encode_frame(salt, sequence, self.kind(), out, |out| self.encode_payload(out));
    }

    /// Appends what it holds.
    pub(super) fn encode_payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Meta(meta) => out.extend_from_slice(meta),
            Self::Written(extent) => {
                out.extend_from_slice(&extent.start.to_le_bytes());
                out.extend_from_slice(&extent.len.to_le_bytes());
                out.extend_from_slice(&extent.crc.to_le_bytes());
            }
            Self::Synced { through } => out.extend_from_slice(&through.to_le_bytes()),
            Self::Hash { kind, state } => {
                out.push(*kind);
                out.extend_from_slice(state);
            }
            Self::Forget(range) => {
                out.extend_from_slice(&range.start.to_le_bytes());
                out.extend_from_slice(&range.end.to_le_bytes());
            }
            Self::Verified { len } => out.extend_from_slice(&len.to_le_bytes()),
        }
    }

    /// Reads a payload of type `kind`. `None`: no such type, or not a payload of it.
    pub(super) fn decode(kind: u8, payload: &[u8]) -> Option<Self> {
        let mut rest = payload;
        let record = match kind {
            1 => Self::Meta(std::mem::take(&mut rest).to_vec()),
            2 => Self::Written(Extent {
                start: u64::from_le_bytes(take(&mut rest)?),
                len: u64::from_le_bytes(take(&mut rest)?),
                crc: u32::from_le_bytes(take(&mut rest)?),
            }),
            3 => Self::Synced { through: u64::from_le_bytes(take(&mut rest)?) },
            4 => {
                let [kind] = take(&mut rest)?;
                Self::Hash { kind, state: std::mem::take(&mut rest).to_vec() }
            }
            5 => Self::Forget(
                u64::from_le_bytes(take(&mut rest)?)..u64::from_le_bytes(take(&mut rest)?),
            ),
            6 => Self::Verified { len: u64::from_le_bytes(take(&mut rest)?) },
            _ => return None,
        };
        (rest.is_empty() && record.is_writable()).then_some(record)
    }
}
