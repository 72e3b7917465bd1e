//! Appending to a journal.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::fold::Fold;
use super::format::{Header, MAX_JOURNAL, Record, VERSION, part_identity};
use super::parse::Parsed;
pub(crate) use crate::framed::AppendError;
use crate::framed::{Tail, compaction_pays};
use crate::fs::{FileId, Fs, FsFile};
use crate::lock::LockError;
use crate::named;
use crate::replace::{StageError, StageStep, stage_locked, whole};

/// A journal that is open, locked, and ends with a good record.
pub(crate) struct Log {
    tail: Tail,
    id: FileId,
    compacted_len: u64,
    /// Whether anything was appended since the last sync.
    dirty: bool,
}

impl Log {
    /// Writes a journal of these records, about this part, under a temporary name, with a salt of its
    /// own, locked. A leftover of that name is removed first. The caller renames it
    /// (`docs/journal-format.md`, steps 1 and 5).
    pub(crate) fn stage(
        fs: &dyn Fs,
        temporary: &Path,
        part: FileId,
        records: &[Record],
        durable: bool,
    ) -> Result<(Self, Fold), StageError> {
        let random = fs.random();
        let salt = random.map_err(StageError::of(StageStep::GetRandom, temporary))?;
        let header = Header { version: VERSION, salt, part_identity: part_identity(part) };
        let mut bytes = header.encode().to_vec();
        let mut fold = Fold::default();
        let mut sequence = 0;
        for record in records {
            sequence += 1;
            record.encode(salt, sequence, &mut bytes);
            fold.apply(sequence, record);
        }
        named::sweep(fs, temporary).map_err(|error| {
            StageError::of(StageStep::Create, temporary)(match error {
                // Of a process that lost its part and has not noticed yet.
                LockError::Held { .. } => io::ErrorKind::ResourceBusy.into(),
                LockError::NotOurs(why) => {
                    io::Error::other(format!("it already exists, and {why}"))
                }
                LockError::Io(error) => error,
            })
        })?;
        // Only its owner may read it: URLs can contain secrets.
        let file = stage_locked(fs, temporary, durable, &mut whole(&bytes))?;
        let id = file.stat().map_err(StageError::of(StageStep::Inspect, temporary))?.id;
        let len = bytes.len() as u64;
        let tail = Tail { file, salt, sequence, len, max_len: MAX_JOURNAL };
        Ok((Self { tail, id, compacted_len: len, dirty: false }, fold))
    }

    /// Continues the journal of an earlier run (`docs/journal-format.md`, step 7), without its torn tail.
    pub(crate) fn resume(
        file: Arc<dyn FsFile>,
        bytes: &[u8],
        parsed: &Parsed,
        durable: bool,
    ) -> io::Result<Self> {
        let (salt, len) = (parsed.header.salt, parsed.end.offset());
        let sequence = parsed.entries.len() as u64;
        let tail = Tail { file, salt, sequence, len, max_len: MAX_JOURNAL };
        let tail = tail.resume(bytes, durable)?;
        let id = tail.file.stat()?.id;
        Ok(Self { tail, id, compacted_len: 0, dirty: false })
    }

    /// Appends a record and returns its sequence number. After an error the journal ends with its
    /// last good record again, or [`AppendError::Lost`] says that it does not.
    pub(crate) fn append(&mut self, record: &Record) -> Result<u64, AppendError> {
        if !record.is_writable() {
            return Err(AppendError::Refused(io::ErrorKind::InvalidInput.into()));
        }
        let sequence = self.tail.append(record.kind(), |out| record.encode_payload(out))?;
        self.dirty = true;
        Ok(sequence)
    }

    /// Makes its `ctime` later than that of the part, as it is after every write to the part.
    pub(crate) fn touch(&self) -> io::Result<()> {
        self.tail.file.set_mode(0o600)
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Sequence number of the last record.
    pub(crate) fn sequence(&self) -> u64 {
        self.tail.sequence
    }

    /// The file to sync, if anything was appended since this was last asked.
    pub(crate) fn take_dirty(&mut self) -> Option<Arc<dyn FsFile>> {
        std::mem::take(&mut self.dirty).then(|| Arc::clone(&self.tail.file))
    }

    /// Whether the journal has grown by a quarter, and by enough to matter.
    pub(crate) fn compaction_pays(&self) -> bool {
        compaction_pays(self.tail.len, self.compacted_len)
    }

    /// Whether it is so long that appending may soon be refused.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.tail.len > MAX_JOURNAL / 2
    }

    /// Puts the next compaction off until the journal has grown again.
    pub(crate) fn postpone_compaction(&mut self) {
        self.compacted_len = self.tail.len;
    }
}
