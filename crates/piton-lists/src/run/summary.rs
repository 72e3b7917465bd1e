//! The state of a list after a run.

use std::time::Duration;

/// The state of a list after a run. Every count refers to the items in the list as it is now, so it is the
/// same whether the work took one run or ten; together the counts make up the whole list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Finished in this run.
    pub done: u64,
    /// Of those, files that were already complete, so nothing was transferred.
    pub found: u64,
    /// Finished in an earlier run, and skipped in this one.
    pub done_before: u64,
    /// Failed in a way that may pass, when their tries were used up or their host was given up.
    pub transient: u64,
    /// Failed permanently, in this run or an earlier one.
    pub fatal: u64,
    /// In progress when the run was stopped; the received data is saved.
    pub interrupted: u64,
    /// In flight at too many crashes; tried again only on request.
    pub quarantined: u64,
    /// Still to be tried: not started, or not selected.
    pub remaining: u64,
    /// Not looked at, because the run ended before: maybe done, maybe not. `None`: they were not counted.
    pub unread: Option<u64>,
    /// Invalid lines of the list; not counted among the items.
    pub bad_lines: u64,
    /// Failures recorded in this run, permanent or not: a part of `transient` and `fatal`.
    pub failed_now: u64,
    /// Finished items that could not be checked against the server.
    pub unchecked: u64,
    /// Bytes received over the network in this run.
    pub bytes: u64,
    /// Duration of the run.
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

    /// Whether every item of the list is done, and no line is invalid.
    pub fn is_complete(&self) -> bool {
        self.bad_lines == 0
            && self.unread == Some(0)
            && self.items() == self.done.saturating_add(self.done_before)
    }
}
