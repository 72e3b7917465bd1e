//! What happened to an item: as it is written, and as it is read.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Identifies an item: 16 bytes that its list computes from its content and occurrence, spread
/// evenly, such as a part of a cryptographic hash.
pub type Key = [u8; 16];

/// The longest [`Outcome::detail`] that is kept, in bytes.
pub const MAX_DETAIL: usize = 512;

/// The state of an item. One that was never begun has none: it is not in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// Its file is whole under its final name, and durable.
    Done,
    /// It failed, and another try may succeed.
    Transient,
    /// It failed, and no other try can succeed.
    Fatal,
    /// The process died while it was in flight.
    Interrupted,
    /// That happened [`QUARANTINE_AFTER`](super::QUARANTINE_AFTER) times in a row: it is tried again only
    /// on request.
    Quarantined,
}

impl State {
    /// All of them, in the order in which they are counted and listed.
    pub const ALL: [Self; 5] =
        [Self::Done, Self::Transient, Self::Fatal, Self::Interrupted, Self::Quarantined];

    /// The number in the file; these never change.
    pub(super) fn code(self) -> u8 {
        match self {
            // 0 takes no byte in a row of SQLite.
            Self::Done => 0,
            Self::Transient => 1,
            Self::Fatal => 2,
            Self::Interrupted => 3,
            Self::Quarantined => 4,
        }
    }

    pub(super) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| i64::from(state.code()) == code)
    }

    /// The word for it, as users type it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Transient => "transient",
            Self::Fatal => "fatal",
            Self::Interrupted => "interrupted",
            Self::Quarantined => "quarantined",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The class of a failure, a word that users type: `timeout`, `dns`, `404`, `5xx`. One to 24
/// characters of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorClass(Arc<str>);

/// The text is not an [`ErrorClass`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a failure class is 1 to 24 characters of a-z, 0-9 and -")]
pub struct ErrorClassError;

impl FromStr for ErrorClass {
    type Err = ErrorClassError;

    fn from_str(text: &str) -> Result<Self, ErrorClassError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match (1..=24).contains(&text.len()) && text.bytes().all(fits) {
            true => Ok(Self(text.into())),
            false => Err(ErrorClassError),
        }
    }
}

impl ErrorClass {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item that is done without a try: its file exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which item.
    pub key: Key,
    /// The length of the file in bytes, if it was checked.
    pub size: Option<u64>,
    /// Where the file is, if not under the name that the item asks for, as [`Outcome::path`].
    pub path: Option<Box<str>>,
}

/// How a try of an item ended: what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which item.
    pub key: Key,
    /// How it ended.
    pub state: State,
    /// Tries so far, in all runs, this one included.
    pub attempts: u32,
    /// When it ended, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// The length of the file in bytes, if known.
    pub size: Option<u64>,
    /// Bytes that came over the network for it.
    pub bytes: u64,
    /// How long the try took, in milliseconds.
    pub took: u64,
    /// A digest of the file, as its writer spells it; a full one takes more room than the rest of a row.
    pub digest: Option<String>,
    /// The class of the failure.
    pub class: Option<ErrorClass>,
    /// The failure in a sentence; cut to [`MAX_DETAIL`] bytes.
    pub detail: Option<String>,
    /// Where the file is, relative to the target folder; `None` where the list gives that anyway.
    pub path: Option<String>,
    /// The host it came from, for [`Reader::worst_hosts`](super::Reader::worst_hosts).
    pub host: Option<String>,
}

/// What the ledger knows about an item: what is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known {
    /// Which item.
    pub key: Key,
    /// Its state.
    pub state: State,
    /// Tries in all runs, interrupted ones included.
    pub attempts: u32,
    /// How often in a row the process died while it was in flight.
    pub interruptions: u32,
    /// When it entered that state, in milliseconds since 1970 (UTC).
    pub at: u64,
    /// The length of the file in bytes, if known.
    pub size: Option<u64>,
    /// Bytes that came over the network in the last try that ended.
    pub bytes: u64,
    /// How long that took, in milliseconds.
    pub took: u64,
    /// A digest of the file.
    pub digest: Option<String>,
    /// The class of the failure.
    pub class: Option<ErrorClass>,
    /// The failure in a sentence.
    pub detail: Option<String>,
    /// Where the file is, relative to the target folder.
    pub path: Option<String>,
}

/// The longest head of `text` of at most [`MAX_DETAIL`] bytes: what is stored of a text, and what is shown of a stored one.
pub(super) fn cut_detail(text: &str) -> &str {
    let end = (0..=MAX_DETAIL.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_words() {
        for good in ["timeout", "404", "5xx", "too-many-redirects", "a"] {
            assert_eq!(good.parse::<ErrorClass>().unwrap().as_str(), good);
        }
        for bad in ["", "Timeout", "a b", "é", "abcdefghijklmnopqrstuvwxy"] {
            assert_eq!(bad.parse::<ErrorClass>(), Err(ErrorClassError), "{bad:?}");
        }
    }

    #[test]
    fn a_detail_is_cut_between_characters() {
        assert_eq!(cut_detail("short"), "short");
        let long = "x".repeat(MAX_DETAIL - 1) + "é";
        assert_eq!(cut_detail(&long), &long[..MAX_DETAIL - 1]);
        assert_eq!(cut_detail(&"é".repeat(400)).len(), MAX_DETAIL);
    }

    #[test]
    fn codes_come_back() {
        for state in State::ALL {
            assert_eq!(State::from_code(state.code().into()), Some(state));
        }
        assert_eq!(State::from_code(5), None);
        assert_eq!(State::from_code(-1), None);
    }
}
