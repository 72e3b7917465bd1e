//! Reading a journal: pure, and safe on any bytes.

use super::format::{
    FRAME_HEAD, FRAME_LEN, HEADER_LEN, Header, MAGIC, MAX_JOURNAL, MAX_PAYLOAD, Record, VERSION,
    take,
};
use crate::crc::crc32c;

/// What the bytes of a journal say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The header.
    pub header: Header,
    /// The records up to the end, in order.
    pub entries: Vec<Entry>,
    /// Where the records end.
    pub end: End,
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position of its first byte in the journal.
    pub offset: u64,
    /// Its sequence number: 1 for the first, then one more each.
    pub sequence: u64,
    /// What it says.
    pub record: Record,
}

/// Where the records of a journal end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At the end of the bytes.
    Clean {
        /// The length of the journal.
        offset: u64,
    },
    /// Earlier: what follows is not a record. Usual after a crash; recovery cuts it off.
    Torn {
        /// The end of the last good record.
        offset: u64,
        /// What is wrong there.
        why: Tear,
    },
}

impl End {
    /// The end of the last good record.
    pub fn offset(&self) -> u64 {
        match *self {
            Self::Clean { offset } | Self::Torn { offset, .. } => offset,
        }
    }
}

/// Why a journal ends before its bytes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Tear {
    /// The bytes end within a record.
    #[error("a record is cut off")]
    Short,
    /// The record claims to be longer than a record may be.
    #[error("a record claims {0} bytes")]
    TooLong(u32),
    /// The record is of another journal.
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
    /// The journal is longer than a journal may be.
    #[error("the journal is longer than allowed")]
    Limit,
}

/// Why a journal cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The header is too short, not that of a journal, or damaged.
    #[error("the header of the journal is unreadable")]
    Unreadable,
    /// The header is good and of a format newer than this program.
    #[error("the journal has format {0}, this program supports {VERSION}")]
    Newer(u16),
}

/// Reads a journal. What it allocates is bounded by `bytes.len()`, never by a length that the bytes
/// claim.
///
/// # Errors
/// Only if the header is unreadable or newer; damage after it is [`End::Torn`].
pub fn parse(bytes: &[u8]) -> Result<Parsed, HeadError> {
    let header = parse_header(bytes)?;
    let limit = usize::try_from(MAX_JOURNAL).unwrap_or(usize::MAX);
    let readable = bytes.get(..limit).unwrap_or(bytes);

    let mut entries = Vec::new();
    let mut offset = HEADER_LEN;
    let end = loop {
        let rest = readable.get(offset..).unwrap_or_default();
        if rest.is_empty() && bytes.len() > readable.len() {
            break End::Torn { offset: offset as u64, why: Tear::Limit };
        }
        if rest.is_empty() {
            break End::Clean { offset: offset as u64 };
        }
        let sequence = entries.len() as u64 + 1;
        match parse_record(rest, header.salt, sequence) {
            Ok((record, len)) => {
                entries.push(Entry { offset: offset as u64, sequence, record });
                offset += len;
            }
            Err(why) => break End::Torn { offset: offset as u64, why },
        }
    };
    Ok(Parsed { header, entries, end })
}

/// The header, in the layout that every version keeps: its CRC is checked before its version is
/// believed, so that a flipped bit does not look like a newer format.
fn parse_header(bytes: &[u8]) -> Result<Header, HeadError> {
    let (head, mut crc) = bytes
        .get(..HEADER_LEN)
        .and_then(|header| header.split_at_checked(HEADER_LEN - 4))
        .ok_or(HeadError::Unreadable)?;
    if take(&mut crc).map(u32::from_le_bytes) != Some(crc32c(head)) {
        return Err(HeadError::Unreadable);
    }
    let fields = |mut rest: &[u8]| {
        let magic: [u8; 8] = take(&mut rest)?;
        let version = u16::from_le_bytes(take(&mut rest)?);
        let _reserved: [u8; 2] = take(&mut rest)?;
        let salt = u64::from_le_bytes(take(&mut rest)?);
        let part_identity = u64::from_le_bytes(take(&mut rest)?);
        (magic == MAGIC && version > 0).then_some(Header { version, salt, part_identity })
    };
    let header = fields(head).ok_or(HeadError::Unreadable)?;
    if header.version > VERSION { Err(HeadError::Newer(header.version)) } else { Ok(header) }
}

/// The record at the start of `bytes`, and its length with its frame.
fn parse_record(bytes: &[u8], salt: u64, sequence: u64) -> Result<(Record, usize), Tear> {
    let mut rest = bytes;
    let len = u32::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?);
    let payload_len =
        usize::try_from(len).ok().filter(|len| *len <= MAX_PAYLOAD).ok_or(Tear::TooLong(len))?;
    if u64::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?) != salt {
        return Err(Tear::Salt);
    }
    let found = u64::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?);
    if found != sequence {
        return Err(Tear::Sequence(found));
    }
    let [kind] = take(&mut rest).ok_or(Tear::Short)?;
    let (payload, mut rest) = rest.split_at_checked(payload_len).ok_or(Tear::Short)?;
    let crc = u32::from_le_bytes(take(&mut rest).ok_or(Tear::Short)?);
    let framed = bytes.get(..FRAME_HEAD + payload_len).ok_or(Tear::Short)?;
    if crc != crc32c(framed) {
        return Err(Tear::Checksum);
    }
    let record = Record::decode(kind, payload).ok_or(Tear::Payload(kind))?;
    if matches!(record, Record::Synced { through } if through >= sequence) {
        return Err(Tear::Payload(kind));
    }
    Ok((record, FRAME_LEN + payload_len))
}
