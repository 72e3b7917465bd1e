//! Where a job keeps how far it has come.
//!
//! A [`Store`] holds commits: pieces of JSON of the caller's own. Each run takes the next epoch first; from then on
//! a run of an earlier epoch cannot commit any more, so that two runs at once never mix. A commit survives a kill when
//! [`Store::commit`] returns. It survives a power cut when [`Store::sync`] returns for it, by which the caller vouches
//! that what the commit speaks of is durable. Both are told apart at the next [`Store::take`]: the last commit that is
//! surely durable can be believed as it is, later ones only if something else proves them.
//!
//! | store | what it is | a commit costs |
//! |---|---|---|
//! | [`JournalStore`] | a file of framed records | one write |
//! | [`JsonStore`] | a file that people can read and edit | a new file, synced and renamed |
//! | [`SqliteStore`] | rows of a database, which may hold many jobs | a transaction, not synced |
//! | `RedisStore` (feature `redis`) | a key of a server | a script, one round trip |
//!
//! [`Spec`] is the text form of each, as a command line has it; [`open`] opens one.
//!
//! # Another store
//!
//! A store keeps a number (the epoch) and a list of commits, and changes them under one condition: that nobody else has.
//! Wherever a compare-and-set is possible, a store is. In PostgreSQL, [`Store::take`] is `UPDATE jobs SET epoch = epoch + 1 …
//! RETURNING`, in a transaction with a read of the commits; [`Store::commit`] is an `INSERT` that joins `jobs` on the
//! epoch of the run, and zero rows mean [`StoreError::Fenced`]; [`Store::sync`] has nothing to wait for with
//! `synchronous_commit = on`, and marks the commit.
//!
//! For a commit inside the user's own transaction, which makes results in the same database exactly once without any
//! file, the store is made of that transaction's connection: `commit` runs its statements there and does not end the
//! transaction. The user's `COMMIT` makes results and position durable in one step, and [`Store::sync`] is that `COMMIT`. A
//! fenced run finds zero rows changed and rolls back, results included. Nothing above the trait has to know.
//!
//! The conformance suite is `piton_testkit::stores`.

mod error;
mod head;
mod journal;
mod json;
mod peek;
#[cfg(feature = "redis")]
mod redis;
mod run;
mod spec;
mod sqlite;
mod survives;

pub use error::StoreError;
pub use journal::{JobFrame, JournalStore, JournalView};
pub use json::JsonStore;
pub use peek::Peeked;
#[cfg(feature = "redis")]
pub use redis::{RedisPlace, RedisStore};
pub use spec::{Spec, SpecError, open};
pub use sqlite::SqliteStore;
pub use survives::{Survival, Survives};

/// Which commit of a run; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// What a store holds when a run takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// The number of this run: one more than that of the last one.
    pub epoch: u64,
    /// The last commit of which a [`Store::sync`] returned. `None`: there is none.
    pub durable: Option<Vec<u8>>,
    /// The commits after that, oldest first. After a power cut some may be missing, from the end.
    pub later: Vec<Vec<u8>>,
}

/// A place for commits. Several threads may use it: a commit does not wait for a sync.
pub trait Store: Send + Sync {
    /// Takes the next epoch, durably, and returns what there is. Before this nothing can be committed.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if another run has it; [`StoreError::Damaged`], with nothing changed.
    fn take(&self) -> Result<Taken, StoreError>;

    /// Commits this JSON text. It survives a kill, and perhaps a power cut.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] if a later run has taken the store, or somebody else has changed it: this run must not
    /// write any more, neither here nor to its output.
    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError>;

    /// Everything up to this commit, and what those commits speak of, survives a power cut. The caller has made the
    /// latter durable before.
    ///
    /// # Errors
    /// As [`Store::commit`]. After any error the store refuses all further commits: what a failed sync was to
    /// write is lost, and a second one would call that a success (G7).
    fn sync(&self, through: Mark) -> Result<(), StoreError>;

    /// Removes everything, durably. The next run starts from nothing, with epoch 1.
    ///
    /// # Errors
    /// It may still be there.
    fn remove(&self) -> Result<(), StoreError>;

    /// Where it is, for messages. Never with a password.
    fn place(&self) -> String;

    /// What a commit and a sync survive here. A store on a server knows it once it was taken.
    fn survives(&self) -> Survives;
}

/// The commits that a run has to keep: the last durable one and those after it.
#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Entry>,
    last: u64,
    /// Whether the first entry is the durable one.
    durable: Option<Mark>,
}

#[derive(Debug)]
struct Entry {
    mark: Mark,
    state: Vec<u8>,
}

impl Kept {
    fn of(durable: Option<Vec<u8>>, later: Vec<Vec<u8>>) -> Self {
        let mut kept = Self::default();
        if let Some(state) = durable {
            kept.durable = Some(kept.push(state));
        }
        for state in later {
            kept.push(state);
        }
        kept
    }

    fn push(&mut self, state: Vec<u8>) -> Mark {
        self.last += 1;
        let mark = Mark(self.last);
        self.entries.push(Entry { mark, state });
        mark
    }

    /// The commit with this mark is the last durable one now, unless it was that before.
    fn settle(&mut self, through: Mark) -> bool {
        if self.durable.is_some_and(|durable| durable >= through) {
            return false;
        }
        let Some(entry) = self.entries.iter().rfind(|entry| entry.mark <= through) else {
            return false;
        };
        let mark = entry.mark;
        self.entries.retain(|entry| entry.mark >= mark);
        self.durable = Some(mark);
        true
    }

    fn durable(&self) -> Option<&[u8]> {
        self.durable.and(self.entries.first()).map(|entry| &*entry.state)
    }

    fn later(&self) -> impl Iterator<Item = &[u8]> {
        let skip = usize::from(self.durable.is_some());
        self.entries.iter().skip(skip).map(|entry| &*entry.state)
    }

    fn taken(&self, epoch: u64) -> Taken {
        let later = self.later().map(<[u8]>::to_vec).collect();
        Taken { epoch, durable: self.durable().map(<[u8]>::to_vec), later }
    }
}
