//! The end of a framed log, where frames are appended.

use std::io;
use std::sync::Arc;

use super::{FRAME_LEN, encode_frame};
use crate::fs::{FsFile, write_all_at};

/// A file that is open, locked, and ends with a good frame.
pub(crate) struct Tail {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) salt: u64,
    /// Sequence number of the last frame.
    pub(crate) sequence: u64,
    pub(crate) len: u64,
    pub(crate) max_len: u64,
}

/// Why a frame was not appended.
pub(crate) enum AppendError {
    /// The file is as long as one may be, and as it was. A compaction makes room.
    Full,
    /// The file is as it was.
    Refused(io::Error),
    /// The file could not be cut back: nothing more may be appended to it.
    Lost(io::Error),
}

impl Tail {
    /// Continues the file of an earlier run, of which `good` bytes of these count: cuts off its torn end and makes that
    /// durable before anything is appended. What remains is written again in its place: a sync of the last
    /// run may have failed, and then only pages that are written again reach the disk.
    pub(crate) fn resume(self, bytes: &[u8], durable: bool) -> io::Result<Self> {
        if self.len < bytes.len() as u64 {
            self.file.set_len(self.len)?;
        }
        if durable {
            let good = usize::try_from(self.len).ok().and_then(|len| bytes.get(..len));
            write_all_at(&*self.file, good.unwrap_or(bytes), 0)?;
            self.file.sync_data()?;
        }
        Ok(self)
    }

    /// Appends a frame and returns its sequence number. After an error the file ends with its last good frame
    /// again, or [`AppendError::Lost`] says that it does not.
    pub(crate) fn append(
        &mut self,
        kind: u8,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<u64, AppendError> {
        let mut bytes = Vec::with_capacity(FRAME_LEN + 20);
        encode_frame(self.salt, self.sequence + 1, kind, &mut bytes, payload);
        if self.len + bytes.len() as u64 > self.max_len {
            return Err(AppendError::Full);
        }
        if let Err(error) = write_all_at(&*self.file, &bytes, self.len) {
            return Err(match self.file.set_len(self.len) {
                Ok(()) => AppendError::Refused(error),
                Err(_) => AppendError::Lost(error),
            });
        }
        self.sequence += 1;
        self.len += bytes.len() as u64;
        Ok(self.sequence)
    }
}
