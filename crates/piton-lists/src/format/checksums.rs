//! Lists of digests and names, as written by `sha256sum`, with a base URL.

use std::io::BufRead;

use piton_fetch::digest::Digest;
use piton_fetch::parse::checksum_file::{ChecksumLine, ChecksumLines};
use url::Url;

use super::draft::Draft;
use super::entry::{Ignored, Out, Why};
use super::line::Lines;
use super::{ListError, Parse};
use crate::ItemUrl;
use crate::item_url::Base;

pub(super) struct Parser<R> {
    lines: Lines<R>,
    base: Option<Base>,
    checksums: ChecksumLines,
    armour: Armour,
}

/// Where in a signed list (RFC 9580 section 7) the parser is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Armour {
    /// In the list itself.
    None,
    /// In the headers before it, which end at a blank line.
    Head,
    /// In the signature after it.
    Signature,
}

impl<R: BufRead> Parser<R> {
    pub(super) fn new(reader: R, base: Option<Base>, name: &str) -> Self {
        Parser {
            lines: Lines::new(reader, Lines::<R>::LIMIT),
            base,
            checksums: ChecksumLines::of(name),
            armour: Armour::None,
        }
    }
}

impl<R: BufRead> Parse for Parser<R> {
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError> {
        let Some(line) = self.lines.next()? else { return Ok(false) };
        let number = line.number;
        let text = match line.text {
            Ok(text) => text,
            Err(bad) => {
                out.bad(number, bad.why, "");
                return Ok(true);
            }
        };
        if let Some(next) = self.armour.after(text.trim_end()) {
            if next != Armour::None {
                out.ignored(number, Ignored::Signature);
            }
            self.armour = next;
            return Ok(true);
        }
        match self.checksums.parse(text) {
            ChecksumLine::Blank => {}
            ChecksumLine::Entry(name, digest) => {
                let base = self.base.as_ref().ok_or(ListError::NoBase)?;
                match item(number, &name, digest, base) {
                    Ok(draft) => out.finish(draft),
                    Err(why) => out.bad(number, why, &name),
                }
            }
            ChecksumLine::Bare(_) | ChecksumLine::Unknown => {
                out.bad(number, Why::Checksum, text.trim());
            }
        }
        Ok(true)
    }
}

impl Armour {
    /// The state after a line, if the line belongs to the armour.
    fn after(self, line: &str) -> Option<Armour> {
        match (self, line) {
            (Armour::None, "-----BEGIN PGP SIGNED MESSAGE-----") => Some(Armour::Head),
            (Armour::None, "-----BEGIN PGP SIGNATURE-----") => Some(Armour::Signature),
            (Armour::None, _) => None,
            (Armour::Head, "") => Some(Armour::None),
            (Armour::Signature, "-----END PGP SIGNATURE-----") => Some(Armour::None),
            (within, _) => Some(within),
        }
    }
}

/// The file keeps its folders, below the target folder as below the base.
fn item(number: u64, name: &str, digest: Digest, base: &Base) -> Result<Draft, Why> {
    let mut draft = Draft::new(number);
    draft.push(below(base, name).ok_or(Why::Outside)?, ItemUrl::UNRANKED);
    draft.out(name);
    draft.digest(digest)?;
    Ok(draft)
}

/// The URL of a file in the folder of the base; every character of the name is literal.
fn below(base: &Base, name: &str) -> Option<Url> {
    let inside = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !name.split('/').all(inside) {
        return None;
    }
    let mut url = base.as_url().clone();
    url.set_query(None);
    url.set_fragment(None);
    // Without what stands behind the last `/`.
    url.path_segments_mut().ok()?.pop().extend(name.split('/'));
    Some(url)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::properties::messages;
    use super::super::{Entry, Format, ListError};

    const A: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(list: &str, base: &str, name: &str) -> Vec<Entry> {
        let base = Some(base.parse().unwrap());
        let reader = Cursor::new(list.as_bytes().to_vec());
        Format::Checksums.entries(reader, base, name).map(Result::unwrap).collect()
    }

    fn urls(list: &str, base: &str) -> Vec<String> {
        let of = |entry| match entry {
            Entry::Item(item) => {
                format!("{} {}", item.urls[0].url, item.out.unwrap_or_default())
            }
            other => format!("{other:?}"),
        };
        read(list, base, "SHA256SUMS").into_iter().map(of).collect()
    }

    #[test]
    fn names_are_below_the_base() {
        let list = format!("{A}  ./a b/é?#%41.iso\nSHA256 (c) = {A}\n\n# x\n");
        let expected = ["http://h/d/a%20b/%C3%A9%3F%23%2541.iso a b/é?#%41.iso", "http://h/d/c c"];
        for base in ["http://h/d/", "http://h/d/SHA256SUMS?x#y"] {
            assert_eq!(urls(&list, base), expected);
        }
        assert_eq!(urls(&format!("{A}  c"), "http://h"), ["http://h/c c"]);
        let Entry::Item(item) = &read(&list, "http://h/", "B3SUMS")[0] else { panic!() };
        assert_eq!(item.digests[0].algorithm().name(), "blake3");
    }

    #[test]
    fn a_wrong_line_is_reported_and_the_rest_goes_on() {
        for bad in [
            A.to_owned(),
            format!("{A}  ../x"),
            format!("{A}  a/../../x"),
            format!("{A}  /etc/x"),
            format!("{A}  x/"),
            "<html>".to_owned(),
            format!("{A}\0  x"),
            "y".repeat(70_000),
        ] {
            let entries = read(&format!("{bad}\n{A}  good\n"), "http://h/", "");
            assert!(matches!(&entries[..], [Entry::Bad(bad), Entry::Item(_)] if bad.line == 1));
        }
    }

    #[test]
    fn a_signature_is_passed_over() {
        let list = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{A}  one\n-----BEGIN PGP SIGNATURE-----\n\n\
             iQ{A}\n-----END PGP SIGNATURE-----\n{A}  two\n"
        );
        let entries = read(&list, "http://h/", "");
        assert!(
            matches!(&entries[..], [Entry::Notice(_), Entry::Item(_), Entry::Item(_)]),
            "{entries:?}"
        );
    }

    #[test]
    fn without_a_base_nothing_can_be_fetched() {
        let list = format!("# x\n{A}  x\n");
        assert_eq!(messages(Format::Checksums, &list), [ListError::NoBase.to_string()]);
    }
}
