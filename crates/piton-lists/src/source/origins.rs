//! The servers that a list names: known before anything is sent to one of them.

use piton_remote::Origin;

use super::Source;
use crate::format::{Entry, ListError};

impl Source {
    /// The origins of the list's items, including mirrors, in order; reading ends at the `most`th.
    ///
    /// # Errors
    /// Those of reading the list.
    pub fn origins(&self, most: usize) -> Result<Vec<Origin>, ListError> {
        let mut found = Vec::new();
        for entry in self.entries()? {
            let Entry::Item(item) = entry? else { continue };
            for one in &item.urls {
                // What cannot be asked is told nothing.
                let Ok(origin) = Origin::of(&one.url) else { continue };
                if !found.contains(&origin) {
                    found.push(origin);
                }
                if found.len() >= most {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}
