//! The entries of a list with their keys in the ledger.

use crate::format::{BadLine, Entries, Entry, ListError, Notice};
use crate::{Content, Item, ItemKey, Occurrences};

use super::Source;

/// One entry of a list, as [`Entry`], with the key of each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    /// Something to fetch.
    Item(Item, ItemKey),
    /// An invalid line; the rest of the list continues.
    Bad(BadLine),
    /// Something that piton ignores.
    Notice(Notice),
}

/// The entries of a list in order, with keys. A list of millions is read twice for that, the second time in
/// the middle of the first: see [`Occurrences`].
#[derive(Debug)]
pub struct KeyedEntries<'a> {
    source: &'a Source,
    entries: Entries,
    occurrences: Occurrences,
    over: bool,
}

impl<'a> KeyedEntries<'a> {
    pub(super) fn new(source: &'a Source, entries: Entries, occurrences: Occurrences) -> Self {
        KeyedEntries { source, entries, occurrences, over: false }
    }

    fn keyed(&mut self, item: Item) -> Result<Keyed, ListError> {
        let content = Content::of(&item);
        let before = self.occurrences.next(&content, |add| {
            for entry in self.source.entries()? {
                if let Entry::Item(item) = entry? {
                    add(&Content::of(&item));
                }
            }
            Ok::<(), ListError>(())
        })?;
        Ok(Keyed::Item(item, content.key(before)))
    }
}

impl Iterator for KeyedEntries<'_> {
    type Item = Result<Keyed, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let keyed = match self.entries.next()? {
            Ok(Entry::Item(item)) => self.keyed(item),
            Ok(Entry::Bad(bad)) => Ok(Keyed::Bad(bad)),
            Ok(Entry::Notice(notice)) => Ok(Keyed::Notice(notice)),
            Err(error) => Err(error),
        };
        self.over = keyed.is_err();
        Some(keyed)
    }
}
