//! Bytes of a file that the system can copy.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use piton_durable::fs::{FsFile, Stat};

use super::version::is_unchanged;
use crate::error::RemoteError;

/// Bytes of a file of this machine, for whoever has the system copy them.
#[derive(Clone)]
pub struct LocalBytes {
    pub(super) file: Arc<dyn FsFile>,
    /// What the head spoke of.
    pub(super) stat: Stat,
    pub(super) path: PathBuf,
    pub(super) range: Range<u64>,
}

impl LocalBytes {
    /// The file, open.
    pub fn file(&self) -> &dyn FsFile {
        &*self.file
    }

    /// What of it is still to come.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Whether what was copied before is of the version that the head said: the file is still that one. To be
    /// called after each copy, before anything is done with it.
    ///
    /// # Errors
    /// The file changed, or the system cannot tell.
    pub fn check(&self) -> Result<(), RemoteError> {
        let path = || self.path.clone();
        match self.file.stat() {
            Ok(stat) if is_unchanged(&self.stat, &stat) => Ok(()),
            Ok(_) => Err(RemoteError::SourceChanged { path: path() }),
            Err(source) => Err(RemoteError::Source { path: path(), source }),
        }
    }
}

impl fmt::Debug for LocalBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBytes").field("range", &self.range).finish_non_exhaustive()
    }
}
