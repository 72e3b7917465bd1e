//! What a store of rows or fields keeps of a job beside its commits: who may write, and which commits count.

use super::{Mark, StoreError};

/// The longest commit.
pub(super) const MAX_STATE: usize = 1 << 20;
/// At most so many commits are kept; a sync lets go of those before it.
const MAX_KEPT: u64 = 1 << 16;

/// A run may write only while this is, as a whole, what the run left there. Another epoch is another run. Another
/// `run` under the same epoch, or an older `last`, is a store that was emptied or replaced by an older copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the run.
    pub(super) epoch: u64,
    /// A random number that the run drew.
    pub(super) run: u64,
    /// The first commit that is kept.
    pub(super) first: u64,
    /// The last one; without any, the number before the first.
    pub(super) last: u64,
    /// Whether the first one is surely durable.
    pub(super) durable: bool,
}

impl Head {
    /// That of the first run.
    pub(super) fn new(run: u64) -> Self {
        Self { epoch: 1, run, first: 1, last: 0, durable: false }
    }

    /// That of the run after this one.
    pub(super) fn next_run(self, run: u64) -> Self {
        Self { epoch: self.epoch.saturating_add(1), run, ..self }
    }

    /// With one more commit.
    pub(super) fn with_commit(self, state: &[u8], place: &str) -> Result<Self, StoreError> {
        let refused = |why: String| StoreError::Refused { place: place.to_owned(), why };
        if state.len() > MAX_STATE {
            return Err(refused(format!("it has {} bytes, {MAX_STATE} are allowed", state.len())));
        }
        if self.kept() >= MAX_KEPT {
            return Err(refused(format!("{MAX_KEPT} commits are not synced")));
        }
        Ok(Self { last: self.last.saturating_add(1), ..self })
    }

    /// With all up to this commit durable, unless it is so.
    pub(super) fn settled(self, Mark(through): Mark) -> Option<Self> {
        let known = self.durable && through <= self.first;
        let inside = self.first <= through && through <= self.last;
        (inside && !known).then_some(Self { first: through, durable: true, ..self })
    }

    /// How many commits are kept.
    pub(super) fn kept(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(u64::from(self.last >= self.first))
    }

    /// What is wrong with it, if it was read.
    pub(super) fn flaw(self) -> Option<&'static str> {
        let Self { epoch, first, last, durable, .. } = self;
        if epoch == 0 || first == 0 || last.checked_add(1).is_none_or(|next| next < first) {
            return Some("its numbers contradict each other");
        }
        if durable && last < first {
            return Some("its durable commit is missing");
        }
        (self.kept() > MAX_KEPT).then_some("it has more commits than any run leaves")
    }

    /// The commits, of which there are as many as it says, as a run takes them.
    pub(super) fn taken(self, commits: Vec<Vec<u8>>) -> super::Taken {
        let mut commits = commits.into_iter();
        let durable = if self.durable { commits.next() } else { None };
        super::Taken { epoch: self.epoch, durable, later: commits.collect() }
    }
}
