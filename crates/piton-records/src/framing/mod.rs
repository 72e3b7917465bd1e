//! Where records end: pure scanners over buffers that may end anywhere.
//!
//! A scanner passes through its input in order, from a place where a record begins. Nothing guesses a boundary from an
//! offset: what looks like the end of a CSV record may be inside a quoted field.

mod csv;

use std::fmt;
use std::num::NonZeroU64;

use csv::Csv;

/// What separates the records of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framing {
    /// Each record ends with this byte, which is not part of it. What follows the last one is a record too.
    Delimited(u8),
    /// CSV (RFC 4180): a record ends with a line end outside quotes. Quotes count at the start of a field only, and
    /// two of them in a quoted field are one.
    Csv {
        /// Between the fields of a record.
        separator: u8,
    },
    /// Each record has this many bytes; the last one may be shorter.
    Chunks(NonZeroU64),
}

impl Framing {
    /// Lines, which end with `\n`.
    pub const LINES: Self = Self::Delimited(b'\n');
    /// CSV with commas.
    pub const CSV: Self = Self::Csv { separator: b',' };

    /// A scanner for input that begins with a record.
    pub fn scanner(self) -> Scanner {
        let state = match self {
            Self::Delimited(_) => State::Plain { open: false },
            Self::Csv { separator } => State::Csv(Csv::new(separator)),
            Self::Chunks(_) => State::Chunks { filled: 0 },
        };
        Scanner { framing: self, state }
    }

    /// The record without what ends it.
    pub fn trim(self, record: &[u8]) -> &[u8] {
        match self {
            Self::Delimited(byte) => record.strip_suffix(&[byte]).unwrap_or(record),
            Self::Csv { .. } => match record.strip_suffix(b"\n") {
                Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
                None => record,
            },
            Self::Chunks(_) => record,
        }
    }
}

/// As the state of a job has it.
impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delimited(b'\n') => f.write_str("lines"),
            Self::Delimited(byte) => write!(f, "delimited by byte {byte}"),
            Self::Csv { separator: b',' } => f.write_str("csv"),
            Self::Csv { separator } => write!(f, "csv separated by byte {separator}"),
            Self::Chunks(size) => write!(f, "chunks of {size} bytes"),
        }
    }
}

/// Finds the ends of records in a stream of buffers.
#[derive(Debug, Clone)]
pub struct Scanner {
    framing: Framing,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Plain {
        /// Whether the input so far ends within a record.
        open: bool,
    },
    Csv(Csv),
    Chunks {
        /// Bytes of the record that has begun.
        filled: u64,
    },
}

/// How the input has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// At the end of a record.
    Boundary,
    /// Within a record: a last line without line end, a short chunk.
    Open,
    /// Within a quoted field.
    InQuotes,
}

impl Scanner {
    /// Scans the bytes that come next, and appends to `ends` the end of each record that ends in them, counted from the
    /// start of `bytes`.
    pub fn scan(&mut self, bytes: &[u8], ends: &mut Vec<usize>) {
        match (&mut self.state, self.framing) {
            (State::Plain { open }, Framing::Delimited(byte)) => {
                ends.extend(memchr::memchr_iter(byte, bytes).map(|at| at + 1));
                if let Some(last) = bytes.last() {
                    *open = *last != byte;
                }
            }
            (State::Csv(csv), _) => csv.scan(bytes, ends),
            (State::Chunks { filled }, Framing::Chunks(size)) => {
                let mut rest = bytes.len() as u64;
                let mut at = 0_u64;
                loop {
                    let missing = size.get().saturating_sub(*filled);
                    if rest < missing {
                        *filled += rest;
                        return;
                    }
                    (at, rest, *filled) = (at + missing, rest - missing, 0);
                    ends.push(usize::try_from(at).unwrap_or(usize::MAX));
                    if rest == 0 {
                        return;
                    }
                }
            }
            // `Framing::scanner` makes pairs that belong together.
            (State::Plain { .. } | State::Chunks { .. }, _) => {}
        }
    }

    /// How the input has ended, if nothing follows.
    pub fn ending(&self) -> Ending {
        match &self.state {
            State::Plain { open: false } | State::Chunks { filled: 0 } => Ending::Boundary,
            State::Plain { open: true } | State::Chunks { .. } => Ending::Open,
            State::Csv(csv) => csv.ending(),
        }
    }
}
