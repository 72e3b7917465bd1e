//! CSV (RFC 4180), as far as the ends of records need it.

use memchr::{memchr, memchr2};

use super::Ending;

/// Where in a record the input has ended.
#[derive(Debug, Clone)]
pub(super) struct Csv {
    separator: u8,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RecordStart,
    FieldStart,
    /// In a field without quotes, or behind the closing quote.
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: it closes the field, unless another one follows.
    Quote,
}

impl Csv {
    pub(super) fn new(separator: u8) -> Self {
        Self { separator, place: Place::RecordStart }
    }

    pub(super) fn scan(&mut self, bytes: &[u8], ends: &mut Vec<usize>) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let found = match self.place {
                Place::RecordStart | Place::FieldStart | Place::Quote => Some(0),
                Place::Plain => memchr2(self.separator, b'\n', rest),
                Place::Quoted => memchr(b'"', rest),
            };
            let Some((found, byte)) = found.and_then(|found| Some((found, *rest.get(found)?)))
            else {
                return;
            };
            at += found + 1;
            self.place = match (self.place, byte) {
                (Place::Quoted, _) => Place::Quote,
                (Place::RecordStart | Place::FieldStart | Place::Quote, b'"') => Place::Quoted,
                (_, b'\n') => {
                    ends.push(at);
                    Place::RecordStart
                }
                (_, byte) if byte == self.separator => Place::FieldStart,
                _ => Place::Plain,
            };
        }
    }

    pub(super) fn ending(&self) -> Ending {
        match self.place {
            Place::RecordStart => Ending::Boundary,
            Place::FieldStart | Place::Plain | Place::Quote => Ending::Open,
            Place::Quoted => Ending::InQuotes,
        }
    }
}
