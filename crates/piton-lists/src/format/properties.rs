//! Properties of each parser, for every input.
//!
//! One function per fuzz target, from raw bytes; it panics if the property does not hold. The fuzz crate
//! includes this file; the tests at the end check the properties near the seeds of the targets and for
//! random bytes.

use std::io::{BufReader, Cursor};

use piton_fetch::redact;

use crate::format::{Entry, Format, detect, to_json};
use crate::name::properties as names;
use crate::{Content, Item};

/// Everything that a list says; an error of the list as text at the end.
fn read(format: Format, bytes: &[u8], capacity: usize) -> (Vec<Entry>, Option<String>) {
    let reader = BufReader::with_capacity(capacity, Cursor::new(bytes.to_vec()));
    let base = "https://base.example/dir/list".parse().ok();
    let mut found = Vec::new();
    for entry in format.entries(reader, base, "SHA256SUMS") {
        match entry {
            Ok(entry) => found.push(entry),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
    (found, None)
}

/// Items can be fetched, messages can be shown, memory is bounded by the input, and neither the size of the
/// reads nor a round trip through JSON changes anything.
fn hold(format: Format, data: &[u8]) {
    let (found, error) = read(format, data, 4096);
    let again = read(format, data, 3);
    assert_eq!((&found, &error), (&again.0, &again.1));
    assert!(found.len() <= data.len() + 1);
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count() as u64;
    for entry in &found {
        let line = match entry {
            Entry::Item(item) => {
                item_holds(item);
                item.line
            }
            Entry::Bad(bad) => {
                message_holds(&bad.to_string());
                bad.line
            }
            Entry::Notice(notice) => {
                message_holds(&notice.to_string());
                notice.line
            }
        };
        assert!((1..=lines).contains(&line), "{line} of {lines}");
    }
    if let Some(error) = error {
        message_holds(&error);
    }
    // What it is taken for where nobody says what it is.
    detect("list", data);
}

/// Within the limits, and as the docs of [`Item`] promise.
fn item_holds(item: &Item) {
    assert!((1..=256).contains(&item.urls.len()));
    assert!(item.urls.is_sorted_by_key(|one| one.priority));
    for one in &item.urls {
        assert!(matches!(one.url.scheme(), "http" | "https") && one.url.has_host());
    }
    assert!(item.digests.len() <= 16);
    assert!(item.digests.is_sorted_by(|one, other| one.algorithm() < other.algorithm()));
    assert!(item.headers.len() <= 64);
    if let Some(pieces) = &item.pieces {
        assert!((1..=1 << 16).contains(&pieces.digests().len()));
        assert!(item.size.is_none_or(|size| pieces.fits(size)));
    }
    names::of_item(item);
    written_holds(item);
}

/// An item that is written is read back as the same item of the same list, whatever format it is read as.
fn written_holds(item: &Item) {
    let line = to_json(item);
    assert!(!line.contains('\n'));
    assert_eq!(detect("list", line.as_bytes()), Format::JsonLines);
    let (again, error) = read(Format::JsonLines, line.as_bytes(), 4096);
    let mut expected = item.clone();
    expected.line = 1;
    assert_eq!((&again[..], error), (&[Entry::Item(expected)][..], None), "{line}");
    if let [Entry::Item(again)] = &again[..] {
        assert_eq!(Content::of(again), Content::of(item), "{line}");
    }
}

/// Short, on one line, and without a login.
fn message_holds(message: &str) {
    assert!(message.chars().count() < 400, "{message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    assert_eq!(redact::text(message), message);
}

/// Plain lists and aria2's.
pub fn list_plain(data: &[u8]) {
    hold(Format::Lines, data);
    hold(Format::Checksums, data);
}

/// Tables.
pub fn list_table(data: &[u8]) {
    hold(Format::Csv, data);
    hold(Format::Tsv, data);
}

/// JSON Lines.
pub fn list_jsonl(data: &[u8]) {
    hold(Format::JsonLines, data);
}

/// Metalink 3 and 4.
pub fn metalink(data: &[u8]) {
    hold(Format::Metalink, data);
}

/// Sitemaps.
pub fn sitemap(data: &[u8]) {
    hold(Format::Sitemap, data);
}

#[cfg(test)]
pub(super) use tests::{entries, items, messages};

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    use super::*;

    /// For the tests of the formats: all entries of a list, without a base.
    pub(in crate::format) fn entries(format: Format, list: impl AsRef<[u8]>) -> Vec<Entry> {
        let reader = Cursor::new(list.as_ref().to_vec());
        format.entries(reader, None, "").map_while(Result::ok).collect()
    }

    /// The items of a list.
    pub(in crate::format) fn items(format: Format, list: &str) -> Vec<Item> {
        let of = |entry| match entry {
            Entry::Item(item) => Some(item),
            _ => None,
        };
        entries(format, list).into_iter().filter_map(of).collect()
    }

    /// The messages about a list, the last one being why it ended.
    pub(in crate::format) fn messages(format: Format, list: &str) -> Vec<String> {
        let reader = Cursor::new(list.as_bytes().to_vec());
        let of = |entry| match entry {
            Ok(Entry::Item(_)) => None,
            Ok(Entry::Bad(bad)) => Some(bad.to_string()),
            Ok(Entry::Notice(notice)) => Some(notice.to_string()),
            Err(error) => Some(super::super::ListError::to_string(&error)),
        };
        format.entries(reader, None, "").filter_map(of).collect()
    }

    #[test]
    fn list_plain() {
        Target::new("list_plain", super::list_plain).holds();
    }

    #[test]
    fn list_table() {
        Target::new("list_table", super::list_table).holds();
    }

    #[test]
    fn list_jsonl() {
        Target::new("list_jsonl", super::list_jsonl).holds();
    }

    #[test]
    fn metalink() {
        Target::new("metalink", super::metalink).holds();
    }

    #[test]
    fn sitemap() {
        Target::new("sitemap", super::sitemap).holds();
    }

    /// A seed must give its parser something to read: otherwise inputs near it prove little.
    #[test]
    fn the_seeds_are_lists() {
        for (name, formats) in [
            ("list_plain", &[Format::Lines, Format::Checksums][..]),
            ("list_table", &[Format::Csv, Format::Tsv]),
            ("list_jsonl", &[Format::JsonLines]),
            ("metalink", &[Format::Metalink]),
            ("sitemap", &[Format::Sitemap]),
        ] {
            let target = Target::new(name, |_| {});
            for format in formats {
                let has_item = |seed: &Vec<u8>| {
                    read(*format, seed, 4096).0.iter().any(|it| matches!(it, Entry::Item(_)))
                };
                assert!(target.seeds().iter().any(has_item), "no seed has an item in {format}");
            }
        }
    }
}
