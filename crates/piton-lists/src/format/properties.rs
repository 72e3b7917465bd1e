//! What must hold of each parser for every input.
//!
//! One function per fuzz target, from raw bytes; it panics if the property does not hold. The fuzz crate
//! includes this file, and the tests at the end run the same functions over the seeds of the targets and
//! over random bytes.

use std::io::{BufReader, Cursor};

use crate::Item;
use crate::format::{Entry, Format, to_json};

/// All that a list says; an error of the list as text at the end.
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

/// Items can be fetched, messages can be shown, memory is bounded by the input, and neither the size of
/// the reads nor a way through JSON changes anything.
fn hold(format: Format, data: &[u8]) {
    let (found, error) = read(format, data, 4096);
    let again = read(format, data, 3);
    assert_eq!((&found, &error), (&again.0, &again.1));
    assert!(found.len() <= data.len() + 1);
    for entry in &found {
        match entry {
            Entry::Item(item) => item_holds(item),
            Entry::Bad(bad) => message_holds(&bad.to_string(), bad.line),
            Entry::Notice(notice) => message_holds(&notice.to_string(), notice.line),
        }
    }
    if let Some(error) = error {
        message_holds(&error, 1);
    }
}

fn item_holds(item: &Item) {
    assert!(item.line > 0);
    assert!((1..=256).contains(&item.addresses.len()));
    assert!(item.addresses.is_sorted_by_key(|address| address.priority));
    for address in &item.addresses {
        assert!(matches!(address.url.scheme(), "http" | "https") && address.url.has_host());
    }
    assert!(item.digests.is_sorted_by(|one, other| one.algorithm() < other.algorithm()));
    if let (Some(pieces), Some(size)) = (&item.pieces, item.size) {
        assert!(pieces.fits(size));
    }
    let line = to_json(item);
    assert!(!line.contains('\n'));
    let (again, error) = read(Format::JsonLines, line.as_bytes(), 4096);
    let mut expected = item.clone();
    expected.line = 1;
    assert_eq!((again, error), (vec![Entry::Item(expected)], None), "{line}");
}

fn message_holds(message: &str, line: u64) {
    assert!(line > 0);
    assert!(message.chars().count() < 400, "{message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
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
    use std::path::Path;
    use std::sync::LazyLock;

    use proptest::prelude::*;

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

    /// What is said of a list, in the end why it ended.
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

    type Property = fn(&[u8]);

    const PROPERTIES: [(&str, Property); 5] = [
        ("list_plain", list_plain),
        ("list_table", list_table),
        ("list_jsonl", list_jsonl),
        ("metalink", metalink),
        ("sitemap", sitemap),
    ];

    static SEEDS: LazyLock<Vec<Vec<Vec<u8>>>> =
        LazyLock::new(|| PROPERTIES.iter().map(|(target, _)| seeds(target)).collect());

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let mut seeds: Vec<Vec<u8>> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        seeds
    }

    /// Every seed of a target whole, cut at each byte, and with each byte changed.
    fn neighbours(target: &str) {
        let at = PROPERTIES.iter().position(|(name, _)| *name == target).unwrap();
        let (_, property) = PROPERTIES[at];
        for seed in &SEEDS[at] {
            property(seed);
            for at in 0..seed.len() {
                property(&seed[..at]);
                let mut changed = seed.clone();
                changed[at] = [0, b'\n', seed[at] ^ 1, 0xff][at % 4];
                property(&changed);
            }
        }
    }

    #[test]
    fn hold_near_plain_lists() {
        neighbours("list_plain");
    }

    #[test]
    fn hold_near_tables() {
        neighbours("list_table");
    }

    #[test]
    fn hold_near_json() {
        neighbours("list_jsonl");
    }

    #[test]
    fn hold_near_metalinks() {
        neighbours("metalink");
    }

    #[test]
    fn hold_near_sitemaps() {
        neighbours("sitemap");
    }

    /// A seed says something to the parser it is for: otherwise its neighbours prove little.
    #[test]
    fn the_seeds_are_lists() {
        let formats = [
            &[Format::Lines, Format::Checksums][..],
            &[Format::Csv, Format::Tsv],
            &[Format::JsonLines],
            &[Format::Metalink],
            &[Format::Sitemap],
        ];
        for (formats, seeds) in formats.iter().zip(SEEDS.iter()) {
            for format in *formats {
                let has_item = |seed: &Vec<u8>| {
                    read(*format, seed, 4096).0.iter().any(|it| matches!(it, Entry::Item(_)))
                };
                assert!(seeds.iter().any(has_item), "no seed has an item in {format}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Random bytes, and random pieces of two seeds with random bytes between them.
        #[test]
        fn hold_for_random_input(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            picks in any::<[prop::sample::Index; 2]>(),
            cuts in any::<[prop::sample::Index; 2]>(),
        ) {
            for ((_, property), seeds) in PROPERTIES.iter().zip(SEEDS.iter()) {
                property(&noise);
                let (head, tail) = (picks[0].get(seeds), picks[1].get(seeds));
                let head = &head[..cuts[0].index(head.len() + 1)];
                let tail = &tail[cuts[1].index(tail.len() + 1)..];
                let middle = &noise[..noise.len().min(8)];
                property(&[head, middle, tail].concat());
            }
        }
    }
}
