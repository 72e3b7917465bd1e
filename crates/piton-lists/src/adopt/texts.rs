//! What a script may have written down for each item of a list.

use std::borrow::Cow;
use std::io::{self, BufRead};

use url::Url;

use super::AdoptError;
use crate::format::{Entries, Entry, Lines, ListError};
use crate::run::weight;
use crate::source::Source;
use crate::{Content, Item};

/// An item: its URLs, and its line if there is one with more than a URL.
pub(super) struct Texts {
    item: Item,
    line: Option<String>,
    /// For counting equal items.
    pub(super) content: Content,
}

impl Texts {
    /// The approximate size of one in bytes.
    pub(super) fn weight(texts: &Result<Self, AdoptError>) -> usize {
        let line = |texts: &Self| texts.line.as_ref().map_or(0, String::len);
        texts.as_ref().map_or(0, |texts| weight(&texts.item).saturating_add(line(texts)))
    }

    /// Calls `each` with all of them, in the form of [`meaning`].
    pub(super) fn each(&self, each: &mut dyn FnMut(&str)) {
        for one in &self.item.urls {
            each(&without_login(Cow::Borrowed(&one.url)));
        }
        if let Some(text) = self.line.as_deref().and_then(meaning) {
            each(&text);
        }
    }
}

/// The content of a line of a done file or of a list; `None` if it has none. URLs are normalised and have
/// no login.
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

/// The texts of the items of a list, in its order, and nothing else.
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

    /// The line on which an item begins. `None` if it is only a URL, is not text, or was already passed: in
    /// a list that is not line-based, such as XML, many items may begin on one line.
    fn line_of(&mut self, item: &Item) -> io::Result<Option<String>> {
        while self.lines.number() < item.line {
            let Some(line) = self.lines.next()? else { return Ok(None) };
            if line.number < item.line {
                continue;
            }
            let is_address = |text: &&str| {
                let [only] = item.urls.as_slice() else { return false };
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
