//! Whether a source still is what was read before.
//!
//! Content decides: a hash of the head, which grows with what was read up to 64 KiB, and one of the bytes right before
//! the position. So a copy on another disk is the same source, and a rotated file that got the old inode is not.
//! An edit of equal length elsewhere in what was read is noticed only with `verify_source`.

use std::fmt;
use std::io;

use piton_durable::fs::{FsFile, read_full_at};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::coded::Entered;

/// The longest head that is hashed.
pub(super) const HEAD: usize = 64 << 10;
/// How many bytes before the position are hashed.
pub(super) const TAIL: usize = 4 << 10;

/// How far a source was read: everything before this is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from its start.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

/// What is known of a source up to a position, as long as the job runs.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    pub(crate) position: Position,
    pub(super) tail: Print,
    pub(super) open_end: bool,
    pub(super) sha256: Option<String>,
    /// Where decoding can start, if it is compressed.
    pub(super) entered: Option<Entered>,
}

/// A hash of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Print {
    len: u64,
    blake3: String,
}

impl Print {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { len: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
    }

    /// How many bytes it is of.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether these bytes end with the ones that were hashed.
    pub(super) fn ends(&self, bytes: &[u8]) -> bool {
        let from = usize::try_from(self.len).ok().and_then(|len| bytes.len().checked_sub(len));
        from.and_then(|from| bytes.get(from..)).is_some_and(|end| Self::of(end) == *self)
    }

    /// Whether these bytes of the file, from `start`, are the ones that were hashed.
    fn is_at(&self, file: &dyn FsFile, start: u64) -> io::Result<bool> {
        // A state that was edited must not make us allocate what it likes.
        let Some(len) = usize::try_from(self.len).ok().filter(|len| *len <= HEAD) else {
            return Ok(false);
        };
        let mut bytes = vec![0; len];
        let read = read_full_at(file, &mut bytes, start)?;
        Ok(read == len && Self::of(&bytes) == *self)
    }
}

/// What is known of a file that was read, as the state of a job has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its length when the job began: what the job is to read.
    pub(crate) len: u64,
    pub(crate) head: Print,
    pub(crate) tail: Print,
    /// Whether the last record that is done had no end: the source ended within it.
    pub(crate) open_end: bool,
    /// SHA-256 of all that is done, if that is to be verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// Which file it was. Only a hint for people.
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// How a source differs from what was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceChange {
    /// It is shorter than it was.
    Shrunk {
        /// Its length then.
        was: u64,
        /// Its length now.
        now: u64,
    },
    /// It ends before the place where the job is to continue.
    EndsBefore {
        /// That place.
        position: u64,
        /// Its length.
        len: u64,
    },
    /// What was processed ahead of the position is not what is there now.
    Ahead {
        /// Where it began.
        from: u64,
        /// Where it ended.
        to: u64,
    },
    /// Its first bytes differ: it is another file, or was edited.
    Head {
        /// How many bytes were compared.
        compared: u64,
    },
    /// The bytes right before the position differ.
    BeforePosition {
        /// Where the job would continue.
        position: u64,
        /// How many bytes before that were compared.
        compared: u64,
    },
    /// Its SHA-256, up to the position, differs.
    Digest {
        /// Where the job would continue.
        position: u64,
    },
    /// Something was appended, and the rest is as it was. [`Growth::Accept`] reads that too.
    Grew {
        /// Its length then.
        was: u64,
        /// Its length now.
        now: u64,
    },
    /// The last record had no line end and is done; now it is longer.
    LastRecordGrew {
        /// Where the source ended then.
        was: u64,
        /// Where it ends now.
        now: u64,
    },
}

impl fmt::Display for SourceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Shrunk { was, now } => write!(f, "it had {was} bytes and has {now} now"),
            Self::EndsBefore { position, len } => {
                write!(f, "the job continues at byte {position}, and it has only {len} bytes")
            }
            Self::Head { compared } => {
                write!(f, "its first {compared} bytes are not those that were read")
            }
            Self::BeforePosition { position, compared } => write!(
                f,
                "the {compared} bytes before byte {position} are not those that were read"
            ),
            Self::Ahead { from, to } => {
                write!(f, "{from} to {to} were processed already, and records end elsewhere now")
            }
            Self::Digest { position } => {
                write!(f, "the SHA-256 of its first {position} bytes is not that of what was read")
            }
            Self::Grew { was, now } => {
                write!(f, "it grew from {was} to {now} bytes since the job began")
            }
            Self::LastRecordGrew { was, now } => write!(
                f,
                "its last record ended at byte {was} without a line end and is done, and now the file \
                 goes on there, to byte {now}"
            ),
        }
    }
}

/// What happens if something was appended to a source since the job began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Growth {
    /// A resume stops and says so. A run that meets it processes what there was when the job began.
    #[default]
    Refuse,
    /// It is processed too.
    Accept,
    /// It is processed too, and a last record without an end waits until the rest of it is written: for logs that another
    /// program appends to.
    Follow,
}

/// What happens if a source is not what was read before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Changed {
    /// The job stops and says what differs.
    #[default]
    Stop,
    /// The job continues at its position, whatever is before it.
    Rebase,
    /// The job continues at the start of what is there now: a log that was rotated.
    FromStart,
}

impl Identity {
    /// Compares the file, of `now` bytes, with this; returns how far it is to be read.
    pub(super) fn check(
        &self,
        file: &dyn FsFile,
        position: u64,
        now: u64,
        growth: Growth,
    ) -> io::Result<Result<u64, SourceChange>> {
        let was = self.len;
        if now < position {
            return Ok(Err(SourceChange::EndsBefore { position, len: now }));
        }
        if now < was {
            return Ok(Err(SourceChange::Shrunk { was, now }));
        }
        if !self.head.is_at(file, 0)? {
            return Ok(Err(SourceChange::Head { compared: self.head.len }));
        }
        let compared = self.tail.len;
        let at_tail = position.checked_sub(compared);
        if !at_tail.map_or(Ok(false), |start| self.tail.is_at(file, start))? {
            return Ok(Err(SourceChange::BeforePosition { position, compared }));
        }
        Ok(match growth {
            _ if now == was => Ok(was),
            _ if self.open_end => Err(SourceChange::LastRecordGrew { was: position, now }),
            Growth::Refuse => Err(SourceChange::Grew { was, now }),
            Growth::Accept | Growth::Follow => Ok(now),
        })
    }
}

/// The SHA-256 of the first `len` bytes, as a state that can be continued.
pub(super) fn hash_up_to(file: &dyn FsFile, len: u64) -> io::Result<Sha256> {
    let (mut hash, mut at) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; 1 << 20];
    while at < len {
        let wanted = usize::try_from(len - at).unwrap_or(usize::MAX).min(buffer.len());
        let read = read_full_at(file, buffer.get_mut(..wanted).unwrap_or_default(), at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        at += read as u64;
    }
    Ok(hash)
}

pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
