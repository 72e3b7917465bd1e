//! Lists of lines: one URL per line, plus the additions of aria2's input format.
//!
//! ```text
//! # a comment
//! https://a.example/one.iso<TAB>https://b.example/one.iso
//!   out=first.iso
//!   checksum=sha-256=e3b0…
//! https://a.example/two.iso
//! ```

use std::io::BufRead;

use super::draft::{Draft, Field};
use super::entry::{Ignored, Out, Why, short};
use super::line::Lines;
use super::{ListError, Parse};
use crate::ItemUrl;
use crate::item_url::{Base, UrlParser};

pub(super) struct Parser<R> {
    lines: Lines<R>,
    urls: UrlParser,
    owner: Owner,
}

/// The owner of the options that follow.
enum Owner {
    /// No URL came yet.
    Nobody,
    Item(Draft),
    /// An invalid item, already reported: its options are dropped with it.
    Spoiled,
}

impl<R: BufRead> Parser<R> {
    pub(super) fn new(reader: R, base: Option<Base>) -> Self {
        Parser {
            lines: Lines::new(reader, Lines::<R>::LIMIT),
            urls: UrlParser::new(base),
            owner: Owner::Nobody,
        }
    }
}

impl<R: BufRead> Parse for Parser<R> {
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError> {
        let Some(line) = self.lines.next()? else {
            if let Owner::Item(draft) = std::mem::replace(&mut self.owner, Owner::Nobody) {
                out.finish(draft);
            }
            return Ok(false);
        };
        let number = line.number;
        let text = match line.text {
            Ok(text) => text,
            Err(bad) => {
                // What is indented and not understood may have been a digest of the item above.
                if let Owner::Item(draft) = std::mem::replace(&mut self.owner, Owner::Spoiled)
                    && !bad.indented
                {
                    out.finish(draft);
                }
                out.bad(number, bad.why, "");
                return Ok(true);
            }
        };
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(true);
        }
        if text.starts_with([' ', '\t'])
            && let Some((name, value)) = option(trimmed)
        {
            self.owner.set(number, name, value, out);
            return Ok(true);
        }
        if let Owner::Item(draft) = std::mem::replace(&mut self.owner, Owner::Nobody) {
            out.finish(draft);
        }
        self.owner = begin(number, trimmed, &mut self.urls, out);
        Ok(true)
    }
}

/// `NAME=VALUE`. An indented URL has other characters before its first `=`.
fn option(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim_end();
    let named =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (named && !name.is_empty()).then(|| (name, value.trim()))
}

/// The item that a line of URLs starts.
fn begin(number: u64, text: &str, urls: &mut UrlParser, out: &mut Out) -> Owner {
    let mut draft = Draft::new(number);
    let mut shown = text;
    let added = match text.contains('\t') {
        false => draft.url(text, urls),
        true => {
            text.split('\t').map(str::trim).filter(|text| !text.is_empty()).try_for_each(|mirror| {
                shown = mirror;
                draft.mirror(mirror, urls, ItemUrl::UNRANKED, out)
            })
        }
    };
    let wrong = match added {
        Ok(()) if draft.has_url() => return Owner::Item(draft),
        Ok(()) => Why::NoAddress,
        Err(why) => why.into(),
    };
    out.bad(number, wrong, shown);
    Owner::Spoiled
}

impl Owner {
    /// An item with an invalid option is invalid as a whole: without its digest, for example, it would be
    /// fetched and trusted (G1).
    fn set(&mut self, number: u64, name: &str, value: &str, out: &mut Out) {
        let Some(field) = Field::named(name) else {
            out.ignored(number, Ignored::Option { name: short(name) });
            return;
        };
        let wrong = match self {
            Owner::Spoiled => return,
            Owner::Nobody => Why::NoOwner,
            Owner::Item(draft) => match draft.set(field, value) {
                Ok(()) => return,
                Err(why) => why,
            },
        };
        out.bad(number, wrong, &field.shown(name, value));
        *self = Owner::Spoiled;
    }
}

#[cfg(test)]
mod tests {
    use super::super::properties::{entries, items, messages};
    use super::super::{Entry, Format};

    const FORMAT: Format = Format::Lines;

    #[test]
    fn plain_lists() {
        let list = "\u{feff}# list\r\n\r\nhttp://h/1\r\n  http://h/2?a=b  \n\t# no\n\nHTTP://h/3";
        let found = items(FORMAT, list);
        let urls: Vec<_> = found.iter().map(|item| item.urls[0].url.as_str()).collect();
        assert_eq!(urls, ["http://h/1", "http://h/2?a=b", "http://h/3"]);
        assert_eq!(found.iter().map(|item| item.line).collect::<Vec<_>>(), [3, 4, 7]);
        assert_eq!(found[0].urls[0].priority, crate::ItemUrl::UNRANKED);
    }

    #[test]
    fn options_belong_to_the_address_above() {
        let list = "http://a/1\thttp://b/1\t\tftp://c/1\n  out=x y\n # comment\n\n  dir=/d\n \
            checksum=sha-1=da39a3ee5e6b4b0d3255bfef95601890afd80709\n  md5=d41d8cd98f00b204e9800998ecf8427e\n  \
            header=X-One: 1\n  header=Cookie:a=b\n\tuser-agent=me\n  referer=http://r/\n  size=0\n  split=4\n\
            http://a/2\n  split=4\n";
        let found = items(FORMAT, list);
        let [one, two] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.urls.len(), 2);
        assert_eq!(one.out.as_deref(), Some("x y"));
        assert_eq!(one.dir.as_deref(), Some("/d".as_ref()));
        assert_eq!(one.size, Some(0));
        let digests: Vec<_> = one.digests.iter().map(|digest| digest.algorithm().name()).collect();
        assert_eq!(digests, ["md5", "sha1"]);
        let headers: Vec<_> = one.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(headers, ["x-one", "cookie", "user-agent", "referer"]);
        assert!(one.headers[1].1.is_sensitive());
        assert_eq!(two.out, None);
        let notices: Vec<_> = messages(FORMAT, list);
        assert_eq!(
            notices,
            ["line 1: ftp mirrors are ignored", "line 13: the option split is ignored"]
        );
    }

    #[test]
    fn a_wrong_line_is_reported_and_the_rest_goes_on() {
        for (list, message) in [
            ("h/1", "line 1: not an absolute URL (http://…), and there is no base URL"),
            (
                "ftp://u:p@h/1",
                "line 1: ftp: URLs are not supported in a list, only http and https (ftp://h/1)",
            ),
            ("ftp://a/\tftp://b/", "line 1: there is no URL to fetch it from"),
            ("http://a:se/cret@h/", "line 1: not a URL: invalid port number (http://h/)"),
            ("http://h/\0", "line 1: it contains a control character"),
            ("http://a/\thttp://", "line 1: not a URL: empty host (http://)"),
            ("  out=x", "line 1: an option (an indented NAME=VALUE) must follow"),
            ("http://a/\n  size=1k", "line 2: a size must be a whole number of bytes (size=1k)"),
            ("http://a/\n  size=99999999999999999999", "line 2: a size must be a whole number"),
            ("http://a/\n  checksum=sha-256=00", "line 2: sha256 has 64 hex digits, got 2"),
            ("http://a/\n  checksum=tiger=00", "line 2: unknown digest algorithm \"tiger\""),
            (
                "http://a/\n  header=Authorization Basic s",
                "line 2: a header must be NAME: VALUE, in visible characters (header=…)",
            ),
            (
                "http://a/\n  header=Authorization: \u{1}",
                "line 2: a header must be NAME: VALUE, in visible characters (header=Authorization: …)",
            ),
        ] {
            let list = format!("{list}\n  size=x\nhttp://good/\n");
            let found = items(FORMAT, &list);
            let last = found.last().unwrap().urls[0].url.as_str();
            // Where the first line is good by itself, `size=x` spoils it.
            assert_eq!((found.len(), last), (1, "http://good/"), "{list}");
            let messages = messages(FORMAT, &list);
            let said = messages.iter().any(|said| said.starts_with(message));
            assert!(said, "{messages:?}\n{message}");
            assert!(!messages.concat().contains("cret"), "{messages:?}");
        }
    }

    #[test]
    fn entries_come_in_the_order_of_the_lines() {
        let found = entries(FORMAT, "http://a/\nftp://b/\nhttp://c/\thttp://\nhttp://d/\n");
        let lines: Vec<_> = found
            .iter()
            .map(|entry| match entry {
                Entry::Item(item) => item.line,
                Entry::Bad(bad) => bad.line,
                Entry::Notice(notice) => notice.line,
            })
            .collect();
        assert_eq!(lines, [1, 2, 3, 4]);
    }

    #[test]
    fn digests_that_contradict_each_other_are_no_proof() {
        let list = "http://a/\n  crc32=00000000\n  crc32=00000001\nhttp://b/\n";
        assert_eq!(items(FORMAT, list).len(), 1);
        assert_eq!(messages(FORMAT, list), ["line 1: two different crc32 digests (http://a/)"]);
    }

    #[test]
    fn an_option_that_cannot_be_read_spoils_its_item() {
        for bad in [
            &b"  checksum=\xff"[..],
            &[b' '; 70_000],
            &[b"  out=".to_vec(), vec![b'x'; 70_000]].concat(),
        ] {
            let list = [b"http://a/\n", bad, b"\n  out=x\nhttp://b/"].concat();
            let found = entries(FORMAT, &list);
            assert!(matches!(&found[..], [Entry::Bad(bad), Entry::Item(_)] if bad.line == 2));
            let list = [b"http://a/\n", bad.trim_ascii_start(), b"?\n  out=x\nhttp://b/"].concat();
            let found = entries(FORMAT, &list);
            assert_eq!(found.iter().filter(|it| matches!(it, Entry::Item(_))).count(), 2);
        }
    }

    #[test]
    fn too_many_of_anything_end_in_an_error() {
        for (option, what) in
            [("header=a: b", "headers"), ("md5=d41d8cd98f00b204e9800998ecf8427e", "digests")]
        {
            let list = format!("http://a/\n{}http://b/", format!("  {option}\n").repeat(1000));
            assert_eq!(items(FORMAT, &list).len(), 1);
            assert!(messages(FORMAT, &list)[0].contains(&format!(
                "more than {} {what}",
                if what == "headers" { 64 } else { 16 }
            )));
        }
        let list = "http://a/\t".repeat(1000);
        assert_eq!(items(FORMAT, &list)[0].urls.len(), 256);
        assert_eq!(
            messages(FORMAT, &list),
            ["line 1: more than 256 mirrors for one file: the least preferred are ignored"]
        );
    }
}
