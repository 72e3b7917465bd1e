//! What a list has to say: items, wrong lines, and things that piton passes over.

use std::collections::{HashSet, VecDeque};

use piton_fetch::digest::{Algorithm, DigestError, PiecesError};
use piton_fetch::redact;

use super::draft::Draft;
use crate::Item;
use crate::address::AddressError;

/// One thing that a list has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Something to fetch.
    Item(Item),
    /// A line, record or file of it that is wrong; the rest of the list goes on.
    Bad(BadLine),
    /// Something that piton passes over; said once per list for each kind of thing.
    Notice(Notice),
}

/// A wrong line of a list, or a wrong element of one. The list is at fault; reading it again is of no use
/// before it is fixed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}{}", shown(excerpt))]
pub struct BadLine {
    /// Where it begins, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub why: Why,
    /// What it is about: at most 80 characters, without logins, header values and control characters. May
    /// be empty.
    pub excerpt: String,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// An address that cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A digest that cannot be right.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Digests of pieces that do not belong together.
    #[error(transparent)]
    Pieces(#[from] PiecesError),
    /// Longer than a line may be; it was skipped without being held.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// Bytes that a line may have.
        limit: usize,
    },
    /// Bytes that are no text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// Nothing to fetch it from.
    #[error("there is no URL to fetch it from")]
    NoAddress,
    /// Two digests by one algorithm.
    #[error("two different {algorithm} digests")]
    Contradiction {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A length that is no number.
    #[error("a size must be a whole number of bytes")]
    Size,
    /// A header that is none.
    #[error("a header must be NAME: VALUE, in visible characters")]
    Header,
    /// An option before the first address.
    #[error("an option (an indented NAME=VALUE) must follow the URL that it is for")]
    NoOwner,
    /// A record with too few or too many fields.
    #[error("{got} fields for {wanted} columns")]
    Fields {
        /// How many it has.
        got: usize,
        /// How many columns there are.
        wanted: usize,
    },
    /// A quoted field that goes on beyond its line.
    #[error("unclosed quote")]
    OpenQuote,
    /// A line that is no JSON.
    #[error("invalid JSON at column {column}")]
    NotJson {
        /// Where, in bytes, counted from 1.
        column: usize,
    },
    /// JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A value of the wrong type.
    #[error("\"{key}\" must be {wanted}")]
    Value {
        /// Whose value.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A line of a checksum file that is not understood.
    #[error("expected a digest and a name")]
    Checksum,
    /// A name that would lead out of the folder of the base address.
    #[error("the name leads out of the folder of the list")]
    Outside,
    /// Digests of pieces that do not cover the file.
    #[error("{pieces} pieces of {length} bytes do not make a file of {size} bytes")]
    PiecesSize {
        /// How many pieces.
        pieces: usize,
        /// Bytes of each but the last.
        length: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// Digests of pieces in another order, without a length, or the like.
    #[error("the piece digests are malformed")]
    PiecesForm,
    /// More of something than is held of one item (guarantee G8).
    #[error("more than {limit} {what} for one file")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// Something in a list that piton passes over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Notice {
    /// Where it was met first, counted from 1.
    pub line: u64,
    /// What it is.
    pub what: Ignored,
}

/// What is passed over. Names are at most 40 characters long.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// An option that piton does not have.
    #[error("the option {name} is ignored")]
    Option {
        /// Its name.
        name: String,
    },
    /// A column that says nothing to piton.
    #[error("the column {name} is ignored")]
    Column {
        /// Its name.
        name: String,
    },
    /// A key that says nothing to piton.
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
        /// How many are used.
        limit: usize,
    },
    /// A signature around the list.
    #[error("the signature of the list is not checked")]
    Signature,
}

/// Entries that were read and not yet taken.
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

    /// The item, if its parts agree.
    pub(super) fn finish(&mut self, mut draft: Draft) {
        match draft.check() {
            Ok(()) => self.queue.push_back(Entry::Item(draft.into_item())),
            Err(why) => self.bad(draft.line, why, draft.label()),
        }
    }

    /// A wrong line; `about` is what of it may be shown: see [`excerpt`].
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

/// The beginning of a text, printable. Logins go before the rest is cut: what is cut off tells where they
/// end.
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
