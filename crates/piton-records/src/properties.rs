//! What must hold of each parser for every input.
//!
//! One function per parser, from raw bytes; it panics if the property does not hold. The fuzz targets
//! call these same functions (feature `fuzzing`), and the tests at the end look whether
//! they hold near the seeds of the targets and for random bytes.

use std::num::NonZeroU64;

use crate::framing::{Ending, Framing};
use crate::parallel::{Letter, head_holds};
pub use crate::source::coded::properties::*;
use crate::state::State;

/// The head of an entry of the spool is what was written, or none. The bytes are tried as they are, and with the checksum
/// that belongs to them.
pub fn spool_head(data: &[u8]) {
    head_holds(data);
}

/// A dead letter is one line whatever it says, and says the same when it is written again.
pub fn dead_letter(data: &[u8]) {
    let Ok(letter) = Letter::parse(data) else { return };
    let line = letter.line_of();
    assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
    assert_eq!(Letter::parse(&line).ok(), Some(letter.clone()));
    if let Ok(bytes) = letter.bytes() {
        let again = Letter { data: None, data_base64: None, ..letter }.with_data(&bytes);
        assert_eq!(again.bytes().ok(), Some(bytes));
    }
}

/// A state that is believed says the same when it is written again.
pub fn job_state(data: &[u8]) {
    let Ok(state) = State::decode(data, "here") else { return };
    let again = state.encode().and_then(|text| State::decode(&text, "here"));
    assert!(matches!(&again, Ok(again) if *again == state), "{again:?}");
}

/// However the input is cut into buffers, records end where a splitter without buffers finds their ends. The first bytes
/// choose the framing and the cuts.
pub fn framing(data: &[u8]) {
    let Some(([kind, byte, cut], input)) = data.split_first_chunk::<3>() else { return };
    let framing = match kind % 4 {
        0 => Framing::LINES,
        1 => Framing::Delimited(*byte),
        2 => Framing::Csv { separator: if matches!(byte, b'"' | b'\n') { b',' } else { *byte } },
        _ => Framing::Chunks(NonZeroU64::MIN.saturating_add(u64::from(byte % 16))),
    };
    let (mut scanner, mut found, mut at) = (framing.scanner(), Vec::new(), 0);
    let mut size = usize::from(*cut);
    while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
        // Cuts of every size, from the cut byte and the input itself; of two empty buffers one follows the other at most.
        let least = usize::from(size == 0);
        size = ((size * 7 + usize::from(rest.first().copied().unwrap_or(0))) % 13).max(least);
        let buffer = rest.get(..size.min(rest.len())).unwrap_or_default();
        let mut ends = Vec::new();
        scanner.scan(buffer, &mut ends);
        assert!(ends.is_sorted() && ends.iter().all(|end| *end <= buffer.len()));
        found.extend(ends.iter().map(|end| at + end));
        at += buffer.len();
    }
    let (ends, ending) = split(framing, input);
    assert_eq!((&found, scanner.ending()), (&ends, ending), "{framing:?}");
    let mut start = 0;
    for end in found {
        let record = input.get(start..end).unwrap_or_default();
        assert!(record.starts_with(framing.trim(record)));
        start = end;
    }
}

/// Byte by byte, with nothing in mind but the rules.
fn split(framing: Framing, input: &[u8]) -> (Vec<usize>, Ending) {
    let (mut ends, mut start) = (Vec::new(), 0);
    // In a table: whether a field starts here, whether this is in quotes.
    let (mut field_starts, mut quoted) = (true, false);
    for (at, byte) in input.iter().enumerate() {
        let ends_here = match framing {
            Framing::Delimited(delimiter) => *byte == delimiter,
            Framing::Chunks(size) => (at + 1 - start) as u64 == size.get(),
            Framing::Csv { separator } => {
                match (quoted, *byte) {
                    (true, b'"') => {
                        quoted = false;
                        // Another one right behind it is part of the field, and opens it again.
                        field_starts = true;
                        continue;
                    }
                    (true, _) => continue,
                    (false, b'"') if field_starts => {
                        quoted = true;
                        continue;
                    }
                    (false, byte) => {
                        field_starts = byte == separator || byte == b'\n';
                        byte == b'\n'
                    }
                }
            }
        };
        if ends_here {
            ends.push(at + 1);
            start = at + 1;
        }
    }
    let ending = match (start == input.len(), quoted) {
        (_, true) => Ending::InQuotes,
        (true, _) => Ending::Boundary,
        (false, _) => Ending::Open,
    };
    (ends, ending)
}

#[cfg(test)]
mod tests {
    use piton_testkit::hostile::Target;

    #[test]
    fn spool_head() {
        Target::new("spool_head", super::spool_head).holds();
    }

    #[test]
    fn dead_letter() {
        Target::new("dead_letter", super::dead_letter).holds();
    }

    #[test]
    fn job_state() {
        Target::new("job_state", super::job_state).holds();
    }

    #[test]
    fn framing() {
        Target::new("framing", super::framing).holds();
    }
}
