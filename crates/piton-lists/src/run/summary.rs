//! How a list stands after a run.

use std::time::Duration;

/// How a list stands after a run. Every count is of the items in the list as it is now, so it is the
/// same whether the work took one run or ten; together they are the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Finished in this run.
    pub done: u64,
    /// Of those, files that were found complete, so that nothing was transferred.
    pub found: u64,
    /// Finished in an earlier run, and left alone in this one.
    pub done_before: u64,
    /// Failed in a way that may pass, when their tries were used up or their host was given up.
    pub transient: u64,
    /// Failed for good, in this run or an earlier one.
    pub fatal: u64,
    /// Under way when the run was stopped; what had come in is saved.
    pub interrupted: u64,
    /// In flight at too many crashes; tried again only when asked for.
    pub quarantined: u64,
    /// Still to be tried: not begun, or not selected.
    pub remaining: u64,
    /// Not looked at, because the run ended before: maybe done, maybe not. `None`: nobody counted how
    /// many these are.
    pub unread: Option<u64>,
    /// Lines of the list that are wrong; not counted among the items.
    pub bad_lines: u64,
    /// Failures recorded in this run, for good or not: a part of `transient` and `fatal`.
    pub failed_now: u64,
    /// Finished items of which a check could not learn whether the server still has that version.
    pub unchecked: u64,
    /// Bytes that came over the network in this run.
    pub bytes: u64,
    /// How long the run took.
    pub took: Duration,
    /// Why it ended before the list did, if it did.
    pub ended: Option<Early>,
}

/// Why a run ended before its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Early {
    /// [`piton_fetch::Stop`] was used.
    Stopped,
    /// More items failed than [`super::Options::max_failures`] allows.
    Failures,
}

impl Summary {
    /// Items in the list, as far as they were counted.
    pub fn items(&self) -> u64 {
        let counts = [
            self.done,
            self.done_before,
            self.transient,
            self.fatal,
            self.interrupted,
            self.quarantined,
            self.remaining,
            self.unread.unwrap_or(0),
        ];
        counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether every item of the list is done, and no line of it was wrong.
    pub fn is_complete(&self) -> bool {
        self.bad_lines == 0
            && self.unread == Some(0)
            && self.items() == self.done.saturating_add(self.done_before)
    }
}
