//! What a store holds, for those who only look: without a lock, and with nothing changed.

use piton_durable::fs::Fs;

#[cfg(feature = "redis")]
use super::RedisStore;
use super::{JournalStore, JsonStore, Spec, SqliteStore, StoreError, Taken};

/// What a look at a store sees.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peeked {
    /// The commits that the next run would take, and the epoch of the last one.
    pub held: Taken,
    /// The process that runs the job, if there is a lock that tells.
    pub running: Option<u32>,
}

impl Peeked {
    pub(super) fn new(held: Taken, running: Option<u32>) -> Self {
        Self { held, running }
    }

    /// The last commit.
    pub fn last(&self) -> Option<&[u8]> {
        self.held.later.last().or(self.held.durable.as_ref()).map(Vec::as_slice)
    }
}

impl Spec {
    /// Looks at what is there. `None`: there is no such job.
    ///
    /// # Errors
    /// As [`Store::take`](super::Store::take), except that nobody is in the way.
    pub fn peek(&self, fs: &dyn Fs) -> Result<Option<Peeked>, StoreError> {
        match self {
            Self::Journal(path) => JournalStore::peek(fs, path),
            Self::Json(path) => JsonStore::peek(fs, path),
            Self::Sqlite { path, job } => SqliteStore::peek(path, job),
            #[cfg(feature = "redis")]
            Self::Redis(place) => RedisStore::peek(place),
        }
    }
}
