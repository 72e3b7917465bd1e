//! Lines of any length in bounded memory (guarantee G8).

use std::io::{self, BufRead};

use super::entry::Why;

/// Splits a list into lines.
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    limit: usize,
    /// A line that was not completely in the reader's buffer.
    held: Vec<u8>,
    /// Bytes of the reader's buffer that the last line used.
    used: usize,
}

/// One line, without its end.
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) text: Result<&'a str, BadText>,
}

/// A line that is not text.
pub(crate) struct BadText {
    pub(crate) why: Why,
    /// Whether it starts with a blank.
    pub(super) indented: bool,
}

impl<R: BufRead> Lines<R> {
    /// Longer than any URL that a server accepts.
    pub(crate) const LIMIT: usize = 64 << 10;

    pub(crate) fn new(reader: R, limit: usize) -> Self {
        Lines { reader, number: 0, limit, held: Vec::new(), used: 0 }
    }

    /// The number of the last line; 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line. A longer line than the limit is skipped to its end without being held in memory.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.reader.consume(std::mem::take(&mut self.used));
        self.held.clear();
        let mut too_long = None;
        let whole = loop {
            let buffer = fill(&mut self.reader)?;
            if buffer.is_empty() {
                if self.held.is_empty() && too_long.is_none() {
                    return Ok(None);
                }
                break false;
            }
            let end = memchr::memchr(b'\n', buffer);
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or(buffer);
            if too_long.is_none() && self.held.len().saturating_add(part.len()) > self.limit {
                let first = self.held.first().or(part.first());
                too_long = Some(first.is_some_and(|byte| is_blank(*byte)));
            }
            let taken = part.len().saturating_add(usize::from(end.is_some()));
            if end.is_some() && self.held.is_empty() && too_long.is_none() {
                // It stays in the reader's buffer while it is looked at.
                self.used = taken;
                break true;
            }
            if too_long.is_none() {
                self.held.extend_from_slice(part);
            }
            self.reader.consume(taken);
            if end.is_some() {
                break false;
            }
        };
        self.number = self.number.saturating_add(1);
        let number = self.number;
        if let Some(indented) = too_long {
            let why = Why::TooLong { limit: self.limit };
            return Ok(Some(Line { number, text: Err(BadText { why, indented }) }));
        }
        let bytes = match whole {
            true => {
                let len = self.used.saturating_sub(1);
                self.reader.fill_buf()?.get(..len).unwrap_or_default()
            }
            false => &self.held,
        };
        Ok(Some(Line { number, text: text(bytes, number == 1) }))
    }
}

fn fill<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Asked again, since a borrow that is returned from a loop lasts too long.
            Ok(_) => return reader.fill_buf(),
            Err(error) => return Err(error),
        }
    }
}

fn text(bytes: &[u8], first: bool) -> Result<&str, BadText> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let bytes = match first {
        true => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
        false => bytes,
    };
    let indented = bytes.first().is_some_and(|byte| is_blank(*byte));
    std::str::from_utf8(bytes).map_err(|_| BadText { why: Why::NotUtf8, indented })
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Each line, with the reason instead of its text if it is invalid.
    fn lines(bytes: &[u8], capacity: usize, limit: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::new(BufReader::with_capacity(capacity, bytes), limit);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let text = line.text.map_or_else(|bad| bad.why.to_string(), str::to_owned);
            found.push((line.number, text));
        }
        assert!(lines.held.capacity() <= limit.max(8) * 2);
        found
    }

    #[test]
    fn however_the_bytes_come_the_lines_are_the_same() {
        let long = "x".repeat(21);
        let input = format!("\u{feff}one\r\n\n \ttwo \n{long}\n{}\n\u{feff}last", &long[1..]);
        let expected = [
            (1, "one".to_owned()),
            (2, String::new()),
            (3, " \ttwo ".to_owned()),
            (4, "the line is longer than 20 bytes".to_owned()),
            (5, long[1..].to_owned()),
            (6, "\u{feff}last".to_owned()),
        ];
        for capacity in 1..70 {
            assert_eq!(lines(input.as_bytes(), capacity, 20), expected, "{capacity}");
            assert_eq!(lines(b"", capacity, 20), []);
            let odd = lines(b"a\xff\nb\0", capacity, 20);
            assert_eq!(odd[0].1, "the line is not UTF-8");
            assert_eq!(odd[1], (2, "b\0".to_owned()));
        }
    }

    #[test]
    fn a_huge_line_is_not_held() {
        let huge = vec![b'x'; 10 << 20];
        assert_eq!(lines(&huge, 8192, 100).len(), 1);
    }
}
