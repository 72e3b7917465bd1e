//! Framed logs: files that only grow, frame by frame, until they are replaced as a whole.
//!
//! The journal of a part and [`Log`], for programs that keep a state of their own, lay out their bytes in the same
//! way: a header of 32 bytes (magic, version, a random salt, eight bytes of the format's own, CRC32C), then frames
//! of length, salt, sequence number, type, payload and CRC32C. `docs/journal-format.md` draws both.

mod log;
mod tail;

pub use log::{Format, Frame, Log, LogError, LogView};
pub(crate) use tail::{AppendError, Tail};

use crate::crc::crc32c;

/// Bytes of the header, in every version of every format.
pub const HEADER_LEN: usize = 32;
/// Bytes of a frame beside its payload: 21 before it, and the CRC after it.
pub const FRAME_LEN: usize = FRAME_HEAD + 4;
/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEAD: usize = 21;

/// Compaction is not worth its syncs before a file has grown by this much.
const GROWTH_WORTH_COMPACTING: u64 = 64 << 10;

/// Whether a file of this length has grown by a quarter since its last compaction, and by enough to matter.
pub(crate) fn compaction_pays(len: u64, compacted_len: u64) -> bool {
    let growth = GROWTH_WORTH_COMPACTING.max(compacted_len / 4);
    len > compacted_len.saturating_add(growth)
}

/// Why the frames of a file end before its bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Tear {
    /// The bytes end within a record.
    #[error("a record is cut off")]
    Short,
    /// The record claims to be longer than a record may be.
    #[error("a record claims {0} bytes")]
    TooLong(u32),
    /// The record is of another file.
    #[error("a record of another journal")]
    Salt,
    /// The record is not the next one.
    #[error("record {0} out of order")]
    Sequence(u64),
    /// The bytes are not those that were written.
    #[error("the checksum of a record does not match")]
    Checksum,
    /// The record is whole but makes no sense.
    #[error("a record of type {0} is invalid")]
    Payload(u8),
    /// The file is longer than it may be.
    #[error("the journal is longer than allowed")]
    Limit,
}

/// What every header has beside its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) version: u16,
    /// Every frame repeats it, so that a frame of an older file in recycled disk blocks does not count.
    pub(crate) salt: u64,
    /// Belongs to the format.
    pub(crate) tag: u64,
}

impl Head {
    pub(crate) fn encode(&self, magic: [u8; 8]) -> [u8; HEADER_LEN] {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(&magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.extend_from_slice(&self.tag.to_le_bytes());
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&bytes);
        header
    }

    /// The CRC is checked before the version is believed, so that a flipped bit does not look like a newer
    /// format. `None`: it is not a header of this magic.
    pub(crate) fn parse(magic: [u8; 8], bytes: &[u8]) -> Option<Self> {
        let (head, mut crc) = bytes.get(..HEADER_LEN)?.split_at_checked(HEADER_LEN - 4)?;
        if take(&mut crc).map(u32::from_le_bytes) != Some(crc32c(head)) {
            return None;
        }
        let mut rest = head;
        let found: [u8; 8] = take(&mut rest)?;
        let version = u16::from_le_bytes(take(&mut rest)?);
        let _reserved: [u8; 2] = take(&mut rest)?;
        let salt = u64::from_le_bytes(take(&mut rest)?);
        let tag = u64::from_le_bytes(take(&mut rest)?);
        (found == magic && version > 0).then_some(Self { version, salt, tag })
    }
}

/// Appends a whole frame to `out`; `payload` appends what it holds.
pub(crate) fn encode_frame(
    salt: u64,
    sequence: u64,
    kind: u8,
    out: &mut Vec<u8>,
    payload: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&salt.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.push(kind);
    payload(out);
    let len = (out.len() - start - FRAME_HEAD) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// A frame in the bytes of a file.
pub(crate) struct Framed<'a> {
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
    /// Bytes of the whole frame.
    pub(crate) len: usize,
}

/// The frame at the start of `bytes`, if it is one of this salt and this sequence number.
pub(crate) fn parse_frame(
    bytes: &[u8],
    salt: u64,
    sequence: Option<u64>,
    max_payload: usize,
) -> Result<Framed<'_>, Tear> {
    let mut rest = bytes;
    let len = u32::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?);
    let payload_len =
        usize::try_from(len).ok().filter(|len| *len <= max_payload).ok_or(Tear::TooLong(len))?;
    if u64::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?) != salt {
        return Err(Tear::Salt);
    }
    let found = u64::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?);
    if sequence.is_some_and(|sequence| sequence != found) {
        return Err(Tear::Sequence(found));
    }
    let [kind] = take(&mut rest).ok_or(Tear::Short)?;
    let (payload, mut rest) = rest.split_at_checked(payload_len).ok_or(Tear::Short)?;
    let crc = u32::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?);
    let framed = bytes.get(..FRAME_HEAD + payload_len).ok_or(Tear::Short)?;
    if crc != crc32c(framed) {
        return Err(Tear::Checksum);
    }
    Ok(Framed { kind, payload, len: FRAME_LEN + payload_len })
}

/// Takes the next `N` bytes off the front.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}
