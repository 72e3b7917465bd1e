//! The formats of lists: each is a streaming parser from bytes to [`Entry`]s, in bounded memory (guarantee
//! G8), that never panics, whatever the bytes are. `docs/lists.md` shows an example of each.
//!
//! An invalid line is an entry, [`Entry::Bad`], and the list continues after it. If the rest of a list is
//! unreadable, the parser returns a [`ListError`] and nothing after that.

mod aria2;
mod checksums;
mod detect;
mod draft;
mod entry;
#[cfg(test)]
mod hostile;
mod json;
mod jsonl;
mod line;
mod metalink;
mod sitemap;
mod table;
mod xml;

// Public for the fuzz crate, which includes the file.
#[cfg(test)]
#[allow(unreachable_pub)]
mod properties;

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

pub use detect::detect;
pub use entry::{BadLine, Entry, Ignored, Notice, Why};
pub use jsonl::to_json;

use crate::item_url::Base;
use entry::Out;

pub(crate) use line::Lines;

/// A format of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One URL per line; tab-separated mirrors; indented options. The input format of aria2, of which a
    /// plain list is the simplest form.
    Lines,
    /// Comma-separated values with named columns (RFC 4180).
    Csv,
    /// Tab-separated values with named columns, without quotes.
    Tsv,
    /// One JSON object per line.
    JsonLines,
    /// Digests and names, as written by `sha256sum`.
    Checksums,
    /// Metalink 4 (RFC 5854) or 3.
    Metalink,
    /// A sitemap (sitemaps.org).
    Sitemap,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 7] = [
        Format::Lines,
        Format::Csv,
        Format::Tsv,
        Format::JsonLines,
        Format::Checksums,
        Format::Metalink,
        Format::Sitemap,
    ];

    /// Its name for users.
    pub fn name(self) -> &'static str {
        match self {
            Format::Lines => "lines",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::JsonLines => "jsonl",
            Format::Checksums => "checksums",
            Format::Metalink => "metalink",
            Format::Sitemap => "sitemap",
        }
    }

    /// The entries of a list in this format. `name`, the name of the list, tells the algorithm of digests
    /// if the list does not: `B3SUMS` is BLAKE3.
    pub fn entries<R>(self, reader: R, base: Option<Base>, name: &str) -> Entries
    where
        R: BufRead + Send + 'static,
    {
        Entries::of(match self {
            Format::Lines => Box::new(aria2::Parser::new(reader, base)),
            Format::Csv => Box::new(table::Parser::new(reader, base, table::Separator::Comma)),
            Format::Tsv => Box::new(table::Parser::new(reader, base, table::Separator::Tab)),
            Format::JsonLines => Box::new(jsonl::Parser::new(reader, base)),
            Format::Checksums => Box::new(checksums::Parser::new(reader, base, name)),
            Format::Metalink => Box::new(metalink::Parser::new(reader, base)),
            Format::Sitemap => Box::new(sitemap::Parser::new(reader, base)),
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An unknown format. The user's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown list format {name:?}; known are lines, csv, tsv, jsonl, checksums, metalink and sitemap"
)]
pub struct UnknownFormat {
    /// The name as given, at most 40 characters.
    pub name: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// By [`Format::name`], or another common name: `plain`, `aria2`, `ndjson`, `sha256sums`, `meta4`.
    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        match name.to_ascii_lowercase().as_str() {
            "lines" | "plain" | "aria2" => Ok(Format::Lines),
            "csv" => Ok(Format::Csv),
            "tsv" => Ok(Format::Tsv),
            "jsonl" | "ndjson" => Ok(Format::JsonLines),
            "checksums" | "sha256sums" => Ok(Format::Checksums),
            "metalink" | "meta4" => Ok(Format::Metalink),
            "sitemap" => Ok(Format::Sitemap),
            _ => Err(UnknownFormat { name: name.chars().take(40).collect() }),
        }
    }
}

/// Why the rest of a list cannot be read. Entries before it stay valid. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The list could not be read, or its compressed form is damaged or cut short.
    #[error("cannot read the list: {0}")]
    Read(#[from] io::Error),
    /// A table without URLs.
    #[error("line {line}: the list has no column named url")]
    NoUrlColumn {
        /// The line that should name the columns; 0 if the list is empty.
        line: u64,
    },
    /// Only names, and no base URL for them.
    #[error("a list of digests has only file names, so it needs a base URL")]
    NoBase,
    /// XML that violates its rules or the limits of piton.
    #[error("line {line}: {why}")]
    Xml {
        /// The approximate line, counted from 1.
        line: u64,
        /// The reason.
        why: String,
    },
    /// XML of another kind.
    #[error("line {line}: the root element is <{found}>, expected {wanted}")]
    Root {
        /// The line, counted from 1.
        line: u64,
        /// Its root element, at most 40 characters of the name.
        found: String,
        /// The expected elements.
        wanted: &'static str,
    },
    /// A sitemap that names sitemaps.
    #[error("this is a sitemap index; use the sitemaps that it lists{}", such_as(first))]
    SitemapIndex {
        /// The first of them, without a login; empty if there is none.
        first: String,
    },
}

impl ListError {
    /// Whether reading the list again may succeed without any fix.
    pub fn may_be_retried(&self) -> bool {
        matches!(self, ListError::Read(error) if passes(error.kind()))
    }
}

/// Whether an error of reading a file may be gone the next time. A damaged compressed list stays damaged.
pub(crate) fn passes(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{Interrupted, ResourceBusy, StaleNetworkFileHandle, TimedOut, WouldBlock};
    matches!(kind, Interrupted | ResourceBusy | StaleNetworkFileHandle | TimedOut | WouldBlock)
}

fn such_as(first: &str) -> String {
    if first.is_empty() { String::new() } else { format!(", such as {first}") }
}

/// The entries of a list, in its order. Nothing comes after an error.
pub struct Entries {
    parser: Box<dyn Parse + Send>,
    out: Out,
    over: bool,
    error: Option<ListError>,
}

/// A parser of one format.
trait Parse {
    /// Reads a bit further, and emits the result. `false` at the end of the list.
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError>;
}

impl Entries {
    fn of(parser: Box<dyn Parse + Send>) -> Entries {
        Entries { parser, out: Out::default(), over: false, error: None }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.out.take() {
                return Some(Ok(entry));
            }
            if self.over {
                return self.error.take().map(Err);
            }
            match self.parser.step(&mut self.out) {
                Ok(more) => self.over = !more,
                Err(error) => (self.over, self.error) = (true, Some(error)),
            }
        }
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("over", &self.over).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("NDJSON".parse(), Ok(Format::JsonLines));
        assert!("xlsx".parse::<Format>().is_err());
    }

    #[test]
    fn what_came_before_an_error_stands_and_nothing_comes_after_it() {
        struct Torn(bool);
        impl io::Read for Torn {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                buf[..24].copy_from_slice(b"http://h/1\nhttp://h/2\nht");
                Ok(24)
            }
        }
        let reader = io::BufReader::new(Torn(false));
        let mut entries = Format::Lines.entries(reader, None, "");
        // The second may have options that did not come: it is not given.
        assert!(matches!(entries.next(), Some(Ok(Entry::Item(_)))));
        assert!(matches!(entries.next(), Some(Err(ListError::Read(_)))));
        assert!(entries.next().is_none());
    }
}
