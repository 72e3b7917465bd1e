//! Tables with named columns: CSV (RFC 4180) and TSV.
//!
//! A record is a line. RFC 4180 lets quoted fields span lines; no list needs that, and this way one quote
//! too many costs one line, not the rest of the list.

use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::draft::{Draft, Field};
use super::entry::{Ignored, Out, Why, short};
use super::line::Lines;
use super::{ListError, Parse};
use crate::ItemUrl;
use crate::item_url::{Base, UrlParser};

pub(super) struct Parser<R> {
    lines: Lines<R>,
    urls: UrlParser,
    splitter: Splitter,
    /// Empty until the line that names them was read.
    columns: Vec<Column>,
}

/// The separator between fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// Fields may be quoted.
    Comma,
    /// A quote is an ordinary character.
    Tab,
}

/// The purpose of a column, and its name in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Url,
    /// Further URLs, separated by blanks.
    Mirrors,
    Field(Field, String),
    Ignored,
}

impl<R: BufRead> Parser<R> {
    pub(super) fn new(reader: R, base: Option<Base>, separator: Separator) -> Self {
        Parser {
            lines: Lines::new(reader, Lines::<R>::LIMIT),
            urls: UrlParser::new(base),
            splitter: Splitter::new(separator),
            columns: Vec::new(),
        }
    }
}

impl<R: BufRead> Parse for Parser<R> {
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError> {
        let Some(line) = self.lines.next()? else {
            return match self.columns.is_empty() {
                true => Err(ListError::NoUrlColumn { line: 0 }),
                false => Ok(false),
            };
        };
        let number = line.number;
        let named = !self.columns.is_empty();
        let text = match line.text {
            Ok(text) => text,
            Err(_) if !named => return Err(ListError::NoUrlColumn { line: number }),
            Err(bad) => {
                out.bad(number, bad.why, "");
                return Ok(true);
            }
        };
        if text.trim().is_empty() || text.starts_with('#') {
            return Ok(true);
        }
        if !named {
            self.columns = match self.splitter.split(text) {
                Ok(names) => columns(number, names, out),
                Err(_) => Vec::new(),
            };
            return match self.columns.contains(&Column::Url) {
                true => Ok(true),
                false => Err(ListError::NoUrlColumn { line: number }),
            };
        }
        match self.splitter.split(text) {
            Ok(fields) => record(number, &self.columns, fields, &mut self.urls, out),
            Err(why) => out.bad(number, why, ""),
        }
        Ok(true)
    }
}

fn columns(number: u64, names: Fields<'_>, out: &mut Out) -> Vec<Column> {
    let mut has_url = false;
    names
        .map(|name| {
            let name = name.trim();
            if name.eq_ignore_ascii_case("url") && !has_url {
                has_url = true;
                Column::Url
            } else if ["url", "urls", "mirrors"].iter().any(|it| name.eq_ignore_ascii_case(it)) {
                Column::Mirrors
            } else if let Some(field) = Field::named(name) {
                Column::Field(field, short(name))
            } else {
                out.ignored(number, Ignored::Column { name: short(name) });
                Column::Ignored
            }
        })
        .collect()
}

fn record(
    number: u64,
    columns: &[Column],
    fields: Fields<'_>,
    urls: &mut UrlParser,
    out: &mut Out,
) {
    // A field too few may be a digest that is missing, one too many an address with a comma in it.
    let (got, wanted) = (fields.len(), columns.len());
    if got != wanted {
        return out.bad(number, Why::Fields { got, wanted }, "");
    }
    let mut draft = Draft::new(number);
    for (column, text) in columns.iter().zip(fields) {
        let text = text.trim();
        let wrong = match column {
            Column::Ignored => continue,
            _ if text.is_empty() => continue,
            Column::Field(field, name) => match draft.set(*field, text) {
                Ok(()) => continue,
                Err(why) => return out.bad(number, why, &field.shown(name, text)),
            },
            Column::Url => draft.url(text, urls),
            Column::Mirrors => text
                .split_whitespace()
                .try_for_each(|mirror| draft.mirror(mirror, urls, ItemUrl::UNRANKED, out)),
        };
        if let Err(why) = wrong {
            return out.bad(number, why, text);
        }
    }
    out.finish(draft);
}

/// Splits a line into fields, in buffers that are reused.
struct Splitter {
    reader: Reader,
    /// The fields, without their quotes, concatenated.
    text: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Splitter {
    /// More than real tables have.
    const MAX_FIELDS: usize = 1024;

    fn new(separator: Separator) -> Splitter {
        let (delimiter, quoting) = match separator {
            Separator::Comma => (b',', true),
            Separator::Tab => (b'\t', false),
        };
        Splitter {
            reader: ReaderBuilder::new()
                .delimiter(delimiter)
                .quoting(quoting)
                .terminator(Terminator::Any(b'\n'))
                .build(),
            text: Vec::new(),
            ends: vec![0; Self::MAX_FIELDS],
        }
    }

    fn split(&mut self, line: &str) -> Result<Fields<'_>, Why> {
        self.reader.reset();
        // One more for the end of the line, which is a part of the field where a quote is open.
        self.text.resize(self.text.len().max(line.len().saturating_add(2)), 0);
        let (mut read, mut written, mut count) = (0, 0, 0);
        // The line, and then its end, which does not come with it.
        for input in [line.as_bytes(), b"\n"] {
            let (result, nin, nout, nend) = self.reader.read_record(
                input,
                self.text.get_mut(written..).unwrap_or_default(),
                self.ends.get_mut(count..).unwrap_or_default(),
            );
            read += nin;
            written += nout;
            count += nend;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull => return Err(Why::OpenQuote),
                ReadRecordResult::OutputEndsFull => {
                    return Err(Why::TooMany { what: "fields", limit: Self::MAX_FIELDS });
                }
            }
        }
        let text = self.text.get(..written).unwrap_or_default();
        let ends = self.ends.get(..count).unwrap_or_default();
        if read < line.len() || ends.last() != Some(&written) {
            return Err(Why::OpenQuote);
        }
        let text = std::str::from_utf8(text).map_err(|_| Why::NotUtf8)?;
        Ok(Fields { text, ends: ends.iter(), begin: 0 })
    }
}

/// The fields of a line.
struct Fields<'a> {
    text: &'a str,
    ends: std::slice::Iter<'a, usize>,
    begin: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let end = *self.ends.next()?;
        let begin = std::mem::replace(&mut self.begin, end);
        Some(self.text.get(begin..end).unwrap_or_default())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ends.size_hint()
    }
}

impl ExactSizeIterator for Fields<'_> {}

#[cfg(test)]
mod tests {
    use super::super::properties::{entries, items, messages};
    use super::super::{Entry, Format};

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn csv() {
        let list = format!(
            "\u{feff}# files\r\nSHA256, url ,out,size,note,header,mirrors\r\n\r\n\
             {EMPTY},\"http://h/a,\"\"b\",\"x, y\",0,?,\"X-A: 1\",http://m/1 http://m/2\r\n\
             ,http://h/2,,,,,\n"
        );
        let found = items(Format::Csv, &list);
        let [one, two] = found.as_slice() else { panic!("{found:?}") };
        let urls: Vec<_> = one.urls.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(urls, ["http://h/a,%22b", "http://m/1", "http://m/2"]);
        assert_eq!(one.out.as_deref(), Some("x, y"));
        assert_eq!((one.size, one.line, two.line), (Some(0), 4, 5));
        assert_eq!(one.digests[0].to_string(), EMPTY);
        assert_eq!(one.headers[0].1, "1");
        assert_eq!((two.size, two.out.as_ref(), two.digests.len()), (None, None, 0));
        assert_eq!(messages(Format::Csv, &list), ["line 2: the column note is ignored"]);
    }

    #[test]
    fn tsv_has_no_quotes() {
        let list = "out\turl\n\"a\" b\thttp://h/1\n\"\thttp://h/2";
        let found = items(Format::Tsv, list);
        assert_eq!(found[0].out.as_deref(), Some("\"a\" b"));
        assert_eq!(found[1].out.as_deref(), Some("\""));
    }

    #[test]
    fn a_wrong_record_is_reported_and_the_rest_goes_on() {
        for (record, message) in [
            ("http://h/a,b", "line 2: 2 fields for 3 columns"),
            ("http://h/a,b,0,", "line 2: 4 fields for 3 columns"),
            ("\"http://h/,b,1", "line 2: unclosed quote"),
            ("http://h/,\"b,1", "line 2: unclosed quote"),
            ("http://h/,b,\"1", "line 2: unclosed quote"),
            (",b,1", "line 2: there is no URL to fetch it from (b)"),
            ("http://u:p@/,b,1", "line 2: not a URL: empty host (http:///)"),
            ("http://h/,b,1k", "line 2: a size must be a whole number of bytes (size=1k)"),
            ("http://h/\0,b,1", "line 2: it contains a control character (http://h/\\0)"),
        ] {
            let list = format!("url,out,size\n{record}\nhttp://good/,,\n");
            assert_eq!(items(Format::Csv, &list).len(), 1, "{record}");
            assert_eq!(messages(Format::Csv, &list), [message]);
        }
        let list =
            [b"url\nhttp://h/\xff\n".as_slice(), &vec![b'"'; 1 << 20], b"\nhttp://h/"].concat();
        let found = entries(Format::Csv, &list);
        assert!(matches!(&found[..], [Entry::Bad(_), Entry::Bad(_), Entry::Item(_)]), "{found:?}");
        let list = format!("url\n{}\nhttp://h/", ",".repeat(2000));
        assert_eq!(messages(Format::Csv, &list), ["line 2: more than 1024 fields for one file"]);
    }

    #[test]
    fn without_a_column_of_addresses_there_is_no_list() {
        for list in ["", "\n# x\n", "http://h/1\n", "out,size\nx,1\n", "\"url\n", "\u{0}"] {
            let message = messages(Format::Csv, list).concat();
            assert!(message.contains("no column named url"), "{list:?}: {message}");
        }
    }
}
