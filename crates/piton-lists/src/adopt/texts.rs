//! What a script may have noted of each item of a list.

use std::borrow::Cow;
use std::io::{self, BufRead};

use url::Url;

use super::AdoptError;
use crate::format::{Entries, Entry, Lines, ListError};
use crate::run::weight;
use crate::source::Source;
use crate::{Content, Item};

/// An item: its addresses, and its line if that is one and more than its address.
pub(super) struct Texts {
    item: Item,
    line: Option<String>,
    /// For those who count equal items.
    pub(super) content: Content,
}

impl Texts {
    /// About the bytes that one of them holds.
    pub(super) fn weight(texts: &Result<Self, AdoptError>) -> usize {
        let line = |texts: &Self| texts.line.as_ref().map_or(0, String::len);
        texts.as_ref().map_or(0, |texts| weight(&texts.item).saturating_add(line(texts)))
    }

    /// Calls `each` with all of them, as [`meaning`] has them.
    pub(super) fn each(&self, each: &mut dyn FnMut(&str)) {
        for address in &self.item.addresses {
            each(&without_login(Cow::Borrowed(&address.url)));
        }
        if let Some(text) = self.line.as_deref().and_then(meaning) {
            each(&text);
        }
    }
}

/// What a line of a done file, or of a list, says; `None`: nothing. Addresses are written in one way, and
/// have no login.
pub(super) fn meaning(line: &str) -> Option<Cow<'_, str>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    Some(match Url::parse(line) {
        Ok(url) if url.has_host() => Cow::Owned(without_login(Cow::Owned(url)).into_owned()),
        _ => Cow::Borrowed(line),
    })
}

fn without_login(url: Cow<'_, Url>) -> Cow<'_, str> {
    match url {
        Cow::Borrowed(url) if url.username().is_empty() && url.password().is_none() => {
            Cow::Borrowed(url.as_str())
        }
        url => {
            let mut url = url.into_owned();
            // Addresses that cannot have a login have none to take out.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            Cow::Owned(url.into())
        }
    }
}

/// The texts of the items of a list, in its order; nothing else of it.
pub(super) struct ListTexts {
    entries: Entries,
    /// The same list, as text.
    lines: Lines<Box<dyn BufRead + Send>>,
}

impl ListTexts {
    pub(super) fn read(source: &Source) -> Result<Self, AdoptError> {
        let entries = source.entries().map_err(ListError::from)?;
        let text = source.open().map_err(ListError::from)?;
        Ok(Self { entries, lines: Lines::new(text, Lines::<&[u8]>::LIMIT) })
    }

    /// The line on which an item begins. `None` where it is nothing but its address, is no text, or has
    /// been passed: of what is not made of lines, such as XML, many items may begin on one.
    fn line_of(&mut self, item: &Item) -> io::Result<Option<String>> {
        while self.lines.number() < item.line {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if line.number < item.line {
                continue;
            }
            let is_address = |text: &&str| {
                let [only] = item.addresses.as_slice() else { return false };
                text.trim() == only.url.as_str()
            };
            let text = line.text.ok().filter(|text| !is_address(text));
            return Ok(text.map(str::to_owned));
        }
        Ok(None)
    }
}

impl Iterator for ListTexts {
    type Item = Result<Texts, AdoptError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let item = match self.entries.next()? {
                Ok(Entry::Item(item)) => item,
                Ok(Entry::Bad(_) | Entry::Notice(_)) => continue,
                Err(error) => return Some(Err(error.into())),
            };
            let line = self.line_of(&item).map_err(|error| ListError::from(error).into());
            let content = Content::of(&item);
            return Some(line.map(|line| Texts { item, line, content }));
        }
    }
}
