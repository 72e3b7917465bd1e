//! The entries of a list: items, invalid lines, and things that piton ignores.

use std::collections::{HashSet, VecDeque};

use piton_fetch::digest::{Algorithm, DigestError, PiecesError};
use piton_fetch::redact;

use super::draft::Draft;
use crate::Item;
use crate::item_url::UrlError;

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Something to fetch.
    Item(Item),
    /// An invalid line, record or file; the rest of the list continues.
    Bad(BadLine),
    /// Something that piton ignores; reported once per list for each kind.
    Notice(Notice),
}

/// An invalid line or element of a list. The list is at fault; reading it again does not help before it is
/// fixed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}{}", shown(excerpt))]
pub struct BadLine {
    /// Its first line, counted from 1.
    pub line: u64,
    /// The reason.
    pub why: Why,
    /// What it is about: at most 80 characters, without logins, header values and control characters. May
    /// be empty.
    pub excerpt: String,
}

/// Why a line is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// An unusable URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A malformed digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Piece digests that do not fit together.
    #[error(transparent)]
    Pieces(#[from] PiecesError),
    /// Longer than a line may be; it was skipped without being held in memory.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Bytes that are not text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Nothing to fetch it from.
    #[error("there is no URL to fetch it from")]
    NoAddress,
    /// Two digests by the same algorithm.
    #[error("two different {algorithm} digests")]
    Contradiction {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A length that is not a number.
    #[error("a size must be a whole number of bytes")]
    Size,
    /// A malformed header.
    #[error("a header must be NAME: VALUE, in visible characters")]
    Header,
    /// An option before the first URL.
    #[error("an option (an indented NAME=VALUE) must follow the URL that it is for")]
    NoOwner,
    /// A record with too few or too many fields.
    #[error("{got} fields for {wanted} columns")]
    Fields {
        /// The number of its fields.
        got: usize,
        /// The number of columns.
        wanted: usize,
    },
    /// A quoted field that continues past its line.
    #[error("unclosed quote")]
    OpenQuote,
    /// A line that is not JSON.
    #[error("invalid JSON at column {column}")]
    NotJson {
        /// The position in bytes, counted from 1.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A value of the wrong type.
    #[error("\"{key}\" must be {wanted}")]
    Value {
        /// The key.
        key: &'static str,
        /// The expected type.
        wanted: &'static str,
    },
    /// An unintelligible line of a checksum file.
    #[error("expected a digest and a name")]
    Checksum,
    /// A name that would lead out of the folder of the base URL.
    #[error("the name leads out of the folder of the list")]
    Outside,
    /// Piece digests that do not cover the file.
    #[error("{pieces} pieces of {length} bytes do not make a file of {size} bytes")]
    PiecesSize {
        /// The number of pieces.
        pieces: usize,
        /// The length of each piece except the last, in bytes.
        length: u64,
        /// The length of the file in bytes.
        size: u64,
    },
    /// Piece digests out of order, without a length, or the like.
    #[error("the piece digests are malformed")]
    PiecesForm,
    /// More of something than is allowed for one item (guarantee G8).
    #[error("more than {limit} {what} for one file")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Something in a list that piton ignores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Notice {
    /// Where it first appeared, counted from 1.
    pub line: u64,
    /// What it is.
    pub what: Ignored,
}

/// What is ignored. Names are at most 40 characters long.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// An option that piton does not have.
    #[error("the option {name} is ignored")]
    Option {
        /// Its name.
        name: String,
    },
    /// An unknown column.
    #[error("the column {name} is ignored")]
    Column {
        /// Its name.
        name: String,
    },
    /// An unknown key.
    #[error("the key {name} is ignored")]
    Key {
        /// Its name.
        name: String,
    },
    /// A mirror that piton cannot fetch from.
    #[error("{scheme} mirrors are ignored")]
    Mirror {
        /// Its scheme or type.
        scheme: String,
    },
    /// A digest by an algorithm that piton does not compute.
    #[error("{name} digests are ignored")]
    Algorithm {
        /// The name of the algorithm.
        name: String,
    },
    /// More mirrors than are used.
    #[error("more than {limit} mirrors for one file: the least preferred are ignored")]
    Mirrors {
        /// The number that is used.
        limit: usize,
    },
    /// A signature around the list.
    #[error("the signature of the list is not checked")]
    Signature,
}

/// Entries that were parsed but not yet taken.
#[derive(Default)]
pub(super) struct Out {
    queue: VecDeque<Entry>,
    seen: HashSet<Ignored>,
}

impl Out {
    /// More kinds of notices than anyone reads; a hostile list must not fill the memory (G8).
    const MAX_NOTICES: usize = 64;

    pub(super) fn take(&mut self) -> Option<Entry> {
        self.queue.pop_front()
    }

    /// Adds the item, if its parts are consistent.
    pub(super) fn finish(&mut self, mut draft: Draft) {
        match draft.check() {
            Ok(()) => self.queue.push_back(Entry::Item(draft.into_item())),
            Err(why) => self.bad(draft.line, why, draft.label()),
        }
    }

    /// Adds an invalid line; `about` is the part of it that may be shown: see [`excerpt`].
    pub(super) fn bad(&mut self, line: u64, why: impl Into<Why>, about: &str) {
        let bad = BadLine { line, why: why.into(), excerpt: excerpt(about) };
        self.queue.push_back(Entry::Bad(bad));
    }

    pub(super) fn ignored(&mut self, line: u64, what: Ignored) {
        if self.seen.len() < Self::MAX_NOTICES && !self.seen.contains(&what) {
            self.seen.insert(what.clone());
            self.queue.push_back(Entry::Notice(Notice { line, what }));
        }
    }
}

/// A name from a list, for a notice: short and printable.
pub(super) fn short(name: &str) -> String {
    let short: String = redact::rubbish(name).chars().take(40).collect();
    redact::for_terminal(&short)
}

/// The start of a text, printable. Logins are removed before the rest is cut: the part that is cut off
/// tells where they end.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS: usize = 80;
    let whole = redact::rubbish(text);
    let mut printable = whole.chars().flat_map(char::escape_debug);
    let mut shown: String = printable.by_ref().take(CHARS).collect();
    if printable.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

fn shown(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!(" ({excerpt})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_printable_and_without_logins() {
        assert_eq!(excerpt("http://ann:sec/ret@h:99999/x\0"), "http://h:99999/x\\0");
        let long = format!("http://ann:{}@h/", "p".repeat(1000));
        assert_eq!(excerpt(&long), "http://h/");
        let long = excerpt(&"x".repeat(1000));
        assert_eq!(long.chars().count(), 80);
        assert!(long.ends_with('…'));
        let bad = BadLine { line: 3, why: Why::Size, excerpt: "size=1k".to_owned() };
        assert_eq!(bad.to_string(), "line 3: a size must be a whole number of bytes (size=1k)");
    }

    #[test]
    fn a_notice_comes_once_and_not_endlessly() {
        let mut out = Out::default();
        for line in 1..1000 {
            out.ignored(line, Ignored::Option { name: "split".to_owned() });
            out.ignored(line, Ignored::Option { name: format!("option{line}") });
        }
        assert_eq!(out.queue.len(), Out::MAX_NOTICES);
    }
}
