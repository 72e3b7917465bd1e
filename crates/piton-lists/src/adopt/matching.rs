//! Which items the lines of a done file are about.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use url::Url;

/// The list and its ledger, as far as this needs them.
pub(super) trait Progress {
    /// An entry of the list.
    type Item;
    /// Why list, ledger or done file cannot be read or written.
    type Error;

    /// Calls `each` with all that a script may have noted of `item`: its addresses, and its line in the
    /// list where that says more.
    fn texts(&self, item: &Self::Item, each: &mut dyn FnMut(&str));

    /// A line says that `item` is done.
    fn take(&mut self, item: Self::Item) -> Result<Taken, Self::Error>;
}

/// What became of an item that a line says is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is written down as done now.
    Marked,
    /// It was before.
    Already,
    /// Its file is not there: it is left as it was.
    Missing,
}

/// What became of the lines of a done file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoneReport {
    /// Items in the list.
    pub items: u64,
    /// Lines of the list that are wrong; not counted among the items.
    pub bad_lines: u64,
    /// Lines of the done file that say something: neither blank nor a comment.
    pub lines: u64,
    /// Items that are marked done now.
    pub marked: u64,
    /// Items that were done before.
    pub already: u64,
    /// Items that a line says are done, whose file is not there: left as they were.
    pub missing: u64,
    /// Lines that are about no item of the list.
    pub strangers: u64,
    /// The first of those, with its number, counted from 1; without a login.
    pub first_stranger: Option<(u64, String)>,
    /// The last of those.
    pub last_stranger: Option<(u64, String)>,
    /// The last line that says something is one of them. A list is known by its items, so nothing is lost
    /// by that; a script that goes on behind the last line that it finished would begin anew.
    pub last_is_stranger: bool,
}

/// Has `progress` take each item of `items` that a line of the done file is about. `done` opens the done
/// file; it is called twice.
///
/// A line is about an item if it is one of its texts, spaces around it and logins in addresses left out.
/// The same line twice says nothing more than once, and equal items are done together. Lines are compared
/// by 64 bits of a hash with a key of its own: of ten million lines and ten million items, one in
/// 200,000 such runs takes two different ones for the same.
///
/// # Errors
/// The first of `done`, `items` or `progress`.
pub(super) fn match_lines<P, D, L>(
    done: impl Fn() -> Result<D, P::Error>,
    items: impl IntoIterator<Item = Result<P::Item, P::Error>>,
    progress: &mut P,
) -> Result<DoneReport, P::Error>
where
    P: Progress,
    D: Iterator<Item = Result<L, P::Error>>,
    L: AsRef<str>,
{
    let mut lines = Lines::read(done()?)?;
    let mut report = DoneReport::default();
    for item in items {
        let item = item?;
        report.items += 1;
        let mut found = false;
        progress.texts(&item, &mut |text| found |= lines.find(text));
        if !found {
            continue;
        }
        match progress.take(item)? {
            Taken::Marked => report.marked += 1,
            Taken::Already => report.already += 1,
            Taken::Missing => report.missing += 1,
        }
    }
    for (number, line) in (1..).zip(done()?) {
        let line = line?;
        let Some(text) = meaning(line.as_ref()) else { continue };
        report.lines += 1;
        report.last_is_stranger = !lines.was_found(&text);
        if report.last_is_stranger {
            report.strangers += 1;
            let stranger = (number, text.into_owned());
            report.first_stranger.get_or_insert_with(|| stranger.clone());
            report.last_stranger = Some(stranger);
        }
    }
    Ok(report)
}

/// What a line of a done file, or a text of an item, says; `None`: nothing.
fn meaning(line: &str) -> Option<Cow<'_, str>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    // Written in the one way in which addresses are written, without a login.
    Some(match Url::parse(line) {
        Ok(mut url) if url.has_host() => {
            // Addresses that cannot have a login have none to take out.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            Cow::Owned(url.into())
        }
        _ => Cow::Borrowed(line),
    })
}

/// The lines of a done file, by their hashes.
struct Lines {
    key: RandomState,
    /// In order, each once.
    hashes: Vec<u64>,
    /// A bit per hash: an item has it.
    found: Vec<u64>,
}

impl Lines {
    fn read<L: AsRef<str>, E>(lines: impl Iterator<Item = Result<L, E>>) -> Result<Self, E> {
        let key = RandomState::new();
        let mut hashes = Vec::new();
        for line in lines {
            hashes.extend(meaning(line?.as_ref()).map(|text| key.hash_one(text.as_ref())));
        }
        hashes.sort_unstable();
        hashes.dedup();
        hashes.shrink_to_fit();
        let found = vec![0; hashes.len().div_ceil(64)];
        Ok(Self { key, hashes, found })
    }

    fn place(&self, text: &str) -> Option<(usize, u64)> {
        let at = self.hashes.binary_search(&self.key.hash_one(text)).ok()?;
        Some((at / 64, 1 << (at % 64)))
    }

    /// Whether a line says this; notes that an item has it.
    fn find(&mut self, text: &str) -> bool {
        let place = meaning(text).and_then(|text| self.place(&text));
        let Some((word, bit)) = place else { return false };
        if let Some(word) = self.found.get_mut(word) {
            *word |= bit;
        }
        true
    }

    fn was_found(&self, text: &str) -> bool {
        let place = self.place(text);
        place.is_some_and(|(word, bit)| self.found.get(word).is_some_and(|word| word & bit != 0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[derive(Default)]
    struct Book {
        done: HashSet<&'static str>,
        there: HashSet<&'static str>,
        fails_at: Option<&'static str>,
    }

    impl Progress for Book {
        type Item = &'static str;
        type Error = &'static str;

        fn texts(&self, item: &&'static str, each: &mut dyn FnMut(&str)) {
            // The line, and its addresses.
            each(item);
            item.split('\t').for_each(each);
        }

        fn take(&mut self, item: &'static str) -> Result<Taken, &'static str> {
            if self.fails_at == Some(item) {
                return Err("the ledger is full");
            }
            Ok(match (self.done.contains(item), self.there.contains(item)) {
                (true, _) => Taken::Already,
                (false, false) => Taken::Missing,
                (false, true) => {
                    self.done.insert(item);
                    Taken::Marked
                }
            })
        }
    }

    const LIST: [&str; 5] = [
        "http://h/a",
        "http://h/b",
        "http://u:secret@h/c",
        "http://h/d\thttp://mirror/d",
        "http://h/a",
    ];

    fn matched(book: &mut Book, done: &str) -> Result<DoneReport, &'static str> {
        let lines = || Ok(done.lines().map(Ok));
        match_lines(lines, LIST.map(Ok), book)
    }

    fn book(there: impl IntoIterator<Item = &'static str>) -> Book {
        Book { there: there.into_iter().collect(), ..Book::default() }
    }

    #[test]
    fn what_a_line_is_about_is_taken() {
        let mut book = book(LIST);
        let done = "# log\n\n http://h/c\r\nHTTP://H/a\nhttp://mirror/d\nhttp://h/a\n";
        let report = matched(&mut book, done).unwrap();
        // The second /a is the same item again.
        let expected =
            DoneReport { items: 5, lines: 4, marked: 3, already: 1, ..DoneReport::default() };
        assert_eq!(report, expected);
        assert_eq!(book.done, HashSet::from([LIST[0], LIST[2], LIST[3]]));
        let again = matched(&mut book, done).unwrap();
        assert_eq!(again, DoneReport { marked: 0, already: 4, ..expected });
    }

    #[test]
    fn what_is_not_there_is_counted() {
        let report = matched(&mut book(["http://h/b"]), "http://h/a\nhttp://h/b").unwrap();
        assert_eq!((report.marked, report.missing), (1, 2));
    }

    #[test]
    fn lines_that_are_about_nothing_are_counted_and_shown() {
        let mut book = book(LIST);
        let strangers: String = (0..15).map(|i| format!("http://gone/{i}\n")).collect();
        let done = format!("http://h/a\n{strangers}http://h/b\nhttp://u:secret@gone/x\n\n");
        let report = matched(&mut book, &done).unwrap();
        assert_eq!((report.lines, report.strangers, report.marked), (18, 16, 2));
        assert_eq!(report.first_stranger, Some((2, "http://gone/0".to_owned())));
        assert_eq!(report.last_stranger, Some((18, "http://gone/x".to_owned())));
        assert!(report.last_is_stranger);
        let report = matched(&mut book, "gone\nhttp://h/b").unwrap();
        assert!(!report.last_is_stranger);
        assert_eq!(report.first_stranger, report.last_stranger);
    }

    #[test]
    fn a_failure_ends_it_and_the_next_call_goes_on() {
        let mut book = Book { fails_at: Some("http://h/b"), ..book(LIST) };
        let done = LIST.join("\n");
        assert_eq!(matched(&mut book, &done), Err("the ledger is full"));
        assert_eq!(book.done.len(), 1);
        book.fails_at = None;
        let report = matched(&mut book, &done).unwrap();
        assert_eq!((report.marked, report.already, report.strangers), (3, 2, 0));
    }
}
