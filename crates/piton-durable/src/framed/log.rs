//! A log of frames that a program keeps its own state in.
//!
//! Each frame also carries how many frames were surely durable when it was appended. So a frame that is missing
//! among those is damage, an error, and never taken for the torn end that a crash leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    AppendError, FRAME_LEN, Framed, HEADER_LEN, Head, Tail, Tear, encode_frame, parse_frame, take,
};
use crate::dirs::sync_found;
use crate::fs::{Fs, FsFile, parent_dir};
use crate::held::{self, Held, HeldError, Peeked, Trust, read_all};

/// Bytes that the log itself puts before each payload.
const PREFIX: usize = 8;

/// What tells one kind of log from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The first eight bytes of the file.
    pub magic: [u8; 8],
    /// The version that this program writes; it reads this one and older ones.
    pub version: u16,
    /// The longest payload of a frame.
    pub max_payload: usize,
    /// The longest file.
    pub max_len: u64,
}

/// What was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number in this file: 1 for the first, then one more each.
    pub sequence: u64,
    /// Its type; the program's own.
    pub kind: u8,
    /// What it holds.
    pub payload: Vec<u8>,
}

/// A log that is open and locked, and ends with a good frame.
///
/// Appended frames survive a kill. They survive a power cut once [`Log::file`] was synced, which the caller
/// does, so that nobody has to wait meanwhile; it tells [`Log::synced`] of it.
pub struct Log {
    held: Held,
    format: Format,
    tail: Tail,
    compacted_len: u64,
    /// Frames up to this one are durable.
    synced: u64,
    /// Why nothing more is appended: the file does not end with a good frame.
    lost: bool,
}

impl Log {
    /// Opens and locks the log at `path`, and returns its frames. `None`: there is none. A torn end is cut off, and
    /// what remains is durable when this returns.
    ///
    /// # Errors
    /// [`LogError::Damaged`] where a frame is missing that was durable: nothing was changed then.
    pub fn open(
        fs: &Arc<dyn Fs>,
        path: &Path,
        format: Format,
    ) -> Result<Option<(Self, Vec<Frame>)>, LogError> {
        let Some(held) = Held::open(fs, path, Trust::Ours)? else { return Ok(None) };
        let bytes = read_all(&held, format.max_len)?;
        let parsed = Parsed::of(&bytes, format, path)?;
        let tail = Tail {
            file: Arc::clone(held.file()),
            salt: parsed.head.salt,
            sequence: parsed.frames.len() as u64,
            len: parsed.len,
            max_len: format.max_len,
        };
        let tail = tail.resume(&bytes, true).map_err(HeldError::io("recover", path))?;
        // The run that created it may have been killed before its name was durable.
        sync_found(&**fs, parent_dir(path))
            .map_err(HeldError::io("sync the directory of", path))?;
        let synced = tail.sequence;
        let log = Self { held, format, tail, compacted_len: 0, synced, lost: false };
        Ok(Some((log, parsed.frames)))
    }

    /// Creates a log of these frames, each a type and a payload. It and its name are durable when this returns.
    ///
    /// # Errors
    /// [`HeldError::Locked`] if another process created one meanwhile.
    pub fn create(
        fs: &Arc<dyn Fs>,
        path: &Path,
        format: Format,
        frames: &[(u8, &[u8])],
    ) -> Result<Self, LogError> {
        let (bytes, salt) = compose(&**fs, path, format, frames)?;
        let held = Held::create(fs, path, &bytes)?;
        Ok(Self::of(held, format, salt, &bytes, frames.len()))
    }

    /// What is in the log at `path`, for those who only look: without a lock, and with nothing changed. `None`: there is
    /// none.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn peek(fs: &dyn Fs, path: &Path, format: Format) -> Result<Option<LogView>, LogError> {
        let Some(Peeked { bytes, holder }) = held::peek(fs, path, format.max_len)? else {
            return Ok(None);
        };
        let Parsed { head, frames, len, tear } = Parsed::of(&bytes, format, path)?;
        let Head { version, salt, .. } = head;
        Ok(Some(LogView { version, salt, frames, len, tear, holder }))
    }

    fn of(held: Held, format: Format, salt: u64, bytes: &[u8], frames: usize) -> Self {
        let (len, sequence) = (bytes.len() as u64, frames as u64);
        let file = Arc::clone(held.file());
        let tail = Tail { file, salt, sequence, len, max_len: format.max_len };
        Self { held, format, tail, compacted_len: len, synced: sequence, lost: false }
    }

    /// Appends a frame and returns its sequence number. After an error the log ends with its last good frame, or
    /// nothing more is appended to it.
    ///
    /// # Errors
    /// [`LogError::Fenced`] if the file is not as this process left it. A lock keeps others out; where a file system
    /// has none that works, this notices them.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<u64, LogError> {
        if payload.len() > self.format.max_payload {
            let error = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(HeldError::io("append to", self.held.path())(error).into());
        }
        self.check()?;
        let synced = self.synced;
        let appended = self.tail.append(kind, |out| {
            out.extend_from_slice(&synced.to_le_bytes());
            out.extend_from_slice(payload);
        });
        appended.map_err(|error| {
            let path = self.held.path();
            match error {
                AppendError::Full => LogError::Full { path: path.to_owned() },
                AppendError::Refused(error) => HeldError::io("append to", path)(error).into(),
                AppendError::Lost(error) => {
                    self.lost = true;
                    HeldError::io("append to", path)(error).into()
                }
            }
        })
    }

    /// Whether the file still has its name, and ends where this process left it.
    ///
    /// # Errors
    /// [`LogError::Fenced`] if not.
    pub fn check(&self) -> Result<(), LogError> {
        let path = self.held.path();
        let fenced = || LogError::Fenced { path: path.to_owned() };
        if self.lost {
            return Err(fenced());
        }
        match self.held.check() {
            Err(HeldError::Exchanged { .. }) => return Err(fenced()),
            result => result?,
        }
        let len = self.tail.file.stat().map_err(HeldError::io("inspect", path))?.len;
        if len == self.tail.len { Ok(()) } else { Err(fenced()) }
    }

    /// The file, to sync it ([`FsFile::sync_data`]).
    pub fn file(&self) -> Arc<dyn FsFile> {
        Arc::clone(&self.tail.file)
    }

    /// Sequence number of the last frame.
    pub fn sequence(&self) -> u64 {
        self.tail.sequence
    }

    /// Frames up to this one were synced.
    pub fn synced(&mut self, through: u64) {
        self.synced = self.synced.max(through.min(self.tail.sequence));
    }

    /// Whether the file has grown enough for [`Log::rewrite`] to pay.
    pub fn rewrite_pays(&self) -> bool {
        super::compaction_pays(self.tail.len, self.compacted_len)
    }

    /// Replaces the log, atomically, by one of these frames, numbered from 1. It is durable when this returns.
    ///
    /// # Errors
    /// The old one is there, unless only the sync of the directory failed.
    pub fn rewrite(&mut self, frames: &[(u8, &[u8])]) -> Result<(), LogError> {
        self.check()?;
        let (bytes, salt) = compose(self.held.fs(), self.held.path(), self.format, frames)?;
        match self.held.replace(&bytes) {
            Err(HeldError::Exchanged { path }) => return Err(LogError::Fenced { path }),
            result => result?,
        }
        let (len, sequence) = (bytes.len() as u64, frames.len() as u64);
        self.tail.file = Arc::clone(self.held.file());
        self.tail.salt = salt;
        (self.tail.sequence, self.synced) = (sequence, sequence);
        (self.tail.len, self.compacted_len) = (len, len);
        Ok(())
    }

    /// Removes the file, durably.
    ///
    /// # Errors
    /// It may still be there.
    pub fn remove(self) -> Result<(), LogError> {
        Ok(self.held.remove()?)
    }
}

/// The bytes of a new log, and its salt.
fn compose(
    fs: &dyn Fs,
    path: &Path,
    format: Format,
    frames: &[(u8, &[u8])],
) -> Result<(Vec<u8>, u64), LogError> {
    let salt = fs.random().map_err(HeldError::io("get random bits for", path))?;
    let count = frames.len() as u64;
    // So many frames were durable before the file had its name.
    let mut bytes =
        Head { version: format.version, salt, tag: count }.encode(format.magic).to_vec();
    for (sequence, (kind, payload)) in (1..).zip(frames) {
        encode_frame(salt, sequence, *kind, &mut bytes, |out| {
            out.extend_from_slice(&count.to_le_bytes());
            out.extend_from_slice(payload);
        });
    }
    Ok((bytes, salt))
}

/// What [`Log::peek`] sees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogView {
    /// The version of its format.
    pub version: u16,
    /// The number that every frame repeats.
    pub salt: u64,
    /// The frames, in order.
    pub frames: Vec<Frame>,
    /// Where the good frames end.
    pub len: u64,
    /// Why they end there, unless the file does.
    pub tear: Option<Tear>,
    /// The process that has the log open.
    pub holder: Option<u32>,
}

impl LogView {
    /// The frames, each with the byte at which it begins.
    pub fn placed(&self) -> impl Iterator<Item = (u64, &Frame)> {
        let mut next = HEADER_LEN as u64;
        self.frames.iter().map(move |frame| {
            let at = next;
            next += (FRAME_LEN + PREFIX + frame.payload.len()) as u64;
            (at, frame)
        })
    }
}

struct Parsed {
    head: Head,
    frames: Vec<Frame>,
    /// Where the good frames end.
    len: u64,
    tear: Option<Tear>,
}

impl Parsed {
    fn of(bytes: &[u8], format: Format, path: &Path) -> Result<Self, LogError> {
        let damaged =
            |at: usize, why| LogError::Damaged { path: path.to_owned(), at: at as u64, why };
        let head = Head::parse(format.magic, bytes)
            .ok_or_else(|| LogError::Unreadable { path: path.to_owned() })?;
        if head.version > format.version {
            return Err(LogError::Newer { path: path.to_owned(), found: head.version });
        }
        let max_payload = format.max_payload.saturating_add(PREFIX);
        let (mut frames, mut at) = (Vec::new(), HEADER_LEN);
        let mut durable = head.tag;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let sequence = frames.len() as u64 + 1;
            let why = match parse_frame(rest, head.salt, Some(sequence), max_payload) {
                _ if rest.is_empty() => Tear::Short,
                Ok(Framed { kind, mut payload, len, .. }) => match take(&mut payload) {
                    Some(synced) => {
                        durable = durable.max(u64::from_le_bytes(synced));
                        frames.push(Frame { sequence, kind, payload: payload.to_vec() });
                        at += len;
                        continue;
                    }
                    None => Tear::Payload(kind),
                },
                Err(why) => why,
            };
            // A torn end, unless a later frame proves that this one was durable.
            let proven = proven_durable(rest, head.salt, max_payload);
            if durable.max(proven) >= sequence {
                return Err(damaged(at, why));
            }
            let tear = (!rest.is_empty()).then_some(why);
            return Ok(Self { head, frames, len: at as u64, tear });
        }
    }
}

/// How many frames were durable, as any good frame in these bytes says.
fn proven_durable(bytes: &[u8], salt: u64, max_payload: usize) -> u64 {
    let salt_bytes = salt.to_le_bytes();
    let mut proven = 0;
    for at in 0..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.get(4..12) != Some(&salt_bytes[..]) {
            continue;
        }
        if let Ok(Framed { mut payload, .. }) = parse_frame(rest, salt, None, max_payload) {
            proven = proven.max(take(&mut payload).map_or(0, u64::from_le_bytes));
        }
    }
    proven
}

/// What can go wrong with a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The header is not that of such a log, or damaged. Nothing was changed.
    #[error("{} is damaged: its header cannot be read", path.display())]
    Unreadable {
        /// The log.
        path: PathBuf,
    },
    /// A frame that was durable cannot be read. Nothing was changed.
    #[error("{} is damaged at byte {at}: {why}", path.display())]
    Damaged {
        /// The log.
        path: PathBuf,
        /// Where the frame should be.
        at: u64,
        /// What is there.
        why: Tear,
    },
    /// A newer program wrote it. Nothing was changed.
    #[error("{} was written by a newer version of piton (format {found})", path.display())]
    Newer {
        /// The log.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Another process wrote to the file, or replaced or removed it. This one writes to it no more.
    #[error("another process has changed {}", path.display())]
    Fenced {
        /// The log.
        path: PathBuf,
    },
    /// It is as long as it may be. [`Log::rewrite`] makes room.
    #[error("{} is as long as it may be", path.display())]
    Full {
        /// The log.
        path: PathBuf,
    },
    /// The file could not be opened, locked or written.
    #[error(transparent)]
    File(#[from] HeldError),
}
