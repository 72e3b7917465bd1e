//! Whether a file under the final name is already the one that is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use piton_checkpoint::{Identity, Verdict};
use piton_durable::fs::{Fs, FsFile, Open, Stat};
use piton_durable::part::PartError;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use piton_remote::{compare_times, modified, unix_nanoseconds};

/// The extended attribute that a finished file carries: which version it is. Without the URL,
/// which may hold a signature.
pub(crate) const SOURCE_ATTRIBUTE: &str = "user.piton.source";

/// The content of [`SOURCE_ATTRIBUTE`].
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    identity: Identity,
    /// Time of last modification that the file was left with, in nanoseconds since 1970: a file
    /// that was edited since then is no longer that version.
    modified: i128,
    /// [`crate::Download::mark`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<Box<str>>,
}

/// The attributes that a finished file gets.
pub(super) fn attributes(
    identity: &Identity,
    modified: SystemTime,
    mark: Option<&str>,
) -> Vec<(String, Vec<u8>)> {
    let mark = mark.map(Box::from);
    let source = Source { identity: identity.clone(), modified: unix_nanoseconds(modified), mark };
    serde_json::to_vec(&source)
        .map(|json| vec![(SOURCE_ATTRIBUTE.to_owned(), json)])
        .unwrap_or_default()
}

/// The existing file under the final name.
pub(super) struct ExistingFile {
    pub(super) path: PathBuf,
    pub(super) stat: Stat,
    file: Arc<dyn FsFile>,
}

impl ExistingFile {
    /// What stands at `path`, if anything.
    ///
    /// # Errors
    /// [`PartError::NotAFile`] for a device, a FIFO, a socket or a folder, none of which is ever replaced:
    /// so that is found out before anything is fetched, and without opening it.
    pub(super) fn find(fs: &dyn Fs, path: &Path) -> Result<Option<Self>, PartError> {
        let io = |source| PartError::Io { what: "read", path: path.to_owned(), source };
        let Some(stat) = fs.stat(path).map_err(io)? else { return Ok(None) };
        if !stat.is_file {
            return Err(PartError::NotAFile { path: path.to_owned() });
        }
        let file = fs.open(path, Open::Read).map_err(io)?;
        Ok(Some(Self { path: path.to_owned(), stat, file }))
    }

    /// Whether it is the version that a server now offers, by what was noted when it was finished,
    /// or by its size with its time.
    pub(super) fn is_version(&self, now: &Identity) -> bool {
        if now.size.is_some_and(|size| size != self.stat.len) {
            return false;
        }
        if let Some(source) = self.source() {
            return matches!(source.identity.compare(now), Verdict::Same(strength) if !strength.wants_overlap());
        }
        let modified = modified(now);
        now.size.is_some()
            && modified.is_some_and(|time| compare_times(time, self.stat.modified).is_eq())
    }

    /// Whether a version of this date is not newer than the file.
    pub(super) fn is_not_older(&self, now: &Identity) -> bool {
        modified(now).is_some_and(|time| compare_times(time, self.stat.modified).is_le())
    }

    /// Whether it has all these digests. Reads it; `goes_on` is asked now and then.
    pub(super) fn has_digests(
        &self,
        digests: &[Digest],
        goes_on: impl Fn() -> bool,
    ) -> std::io::Result<bool> {
        let mut hashers: Vec<Hasher> =
            digests.iter().map(|digest| Hasher::new(digest.algorithm())).collect();
        let mut buffer = vec![0; 512 << 10];
        let mut position = 0;
        loop {
            let read = self.file.read_at(&mut buffer, position)?;
            let chunk = buffer.get(..read).unwrap_or_default();
            if chunk.is_empty() {
                break;
            }
            if !goes_on() {
                return Ok(false);
            }
            hashers.iter_mut().for_each(|hasher| hasher.update(chunk));
            position += read as u64;
        }
        Ok(hashers.into_iter().zip(digests).all(|(hasher, digest)| hasher.finalize() == *digest))
    }

    /// Whether a download with this mark made it, and nobody edited it since.
    pub(super) fn bears(&self, mark: &str) -> bool {
        self.source().is_some_and(|source| source.mark.as_deref() == Some(mark))
    }

    /// What was noted when the file was finished, if it was not edited since.
    fn source(&self) -> Option<Source> {
        let json = self.file.attribute(SOURCE_ATTRIBUTE).ok()??;
        let source: Source = serde_json::from_slice(&json).ok()?;
        (source.modified == unix_nanoseconds(self.stat.modified)).then_some(source)
    }
}
