//! The contents of a list, counted before anything is fetched.

use crate::format::{BadLine, Entry, ListError};
use crate::source::Source;

/// The contents of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Inventory {
    pub(super) items: u64,
    pub(super) bad_lines: u64,
    pub(super) first_bad: Option<BadLine>,
}

impl Inventory {
    /// Reads the whole list.
    pub(super) fn take(source: &Source) -> Result<Self, ListError> {
        let mut found = Self::default();
        for entry in source.entries()? {
            match entry? {
                Entry::Item(_) => found.items += 1,
                Entry::Bad(bad) => {
                    found.bad_lines += 1;
                    found.first_bad.get_or_insert(bad);
                }
                Entry::Notice(_) => {}
            }
        }
        Ok(found)
    }
}
