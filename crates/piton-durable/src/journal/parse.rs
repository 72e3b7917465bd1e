//! Reading a journal: pure, and safe on any bytes.

use super::format::{HEADER_LEN, Header, MAGIC, MAX_JOURNAL, MAX_PAYLOAD, Record, VERSION};
pub use crate::framed::Tear;
use crate::framed::{Framed, Head, parse_frame};

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

/// The header, in the layout that every version keeps.
fn parse_header(bytes: &[u8]) -> Result<Header, HeadError> {
    let Head { version, salt, tag } = Head::parse(MAGIC, bytes).ok_or(HeadError::Unreadable)?;
    let header = Header { version, salt, part_identity: tag };
    if header.version > VERSION { Err(HeadError::Newer(header.version)) } else { Ok(header) }
}

/// The record at the start of `bytes`, and its length with its frame.
fn parse_record(bytes: &[u8], salt: u64, sequence: u64) -> Result<(Record, usize), Tear> {
    let Framed { kind, payload, len, .. } = parse_frame(bytes, salt, Some(sequence), MAX_PAYLOAD)?;
    let record = Record::decode(kind, payload).ok_or(Tear::Payload(kind))?;
    if matches!(record, Record::Synced { through } if through >= sequence) {
        return Err(Tear::Payload(kind));
    }
    Ok((record, len))
}
