//! The error of parsers that must refuse.

/// Input that breaks its format: what was read, what is wrong with it, and how it begins.
///
/// Never worth a second try with the same input, and no state was touched. For a header the server is
/// at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}, got \"{excerpt}\"")]
pub struct ParseError {
    what: &'static str,
    why: &'static str,
    excerpt: String,
}

impl ParseError {
    /// Long enough to recognise a header by, short enough for a line on a terminal.
    const EXCERPT_CHARS: usize = 80;

    /// Of `input`, of which the message shows the beginning.
    pub fn new(what: &'static str, why: &'static str, input: &[u8]) -> ParseError {
        let head = input.get(..Self::EXCERPT_CHARS * 4).unwrap_or(input);
        let mut excerpt: String = String::from_utf8_lossy(head)
            .chars()
            .take(Self::EXCERPT_CHARS)
            .flat_map(char::escape_debug)
            .collect();
        if input.len() > head.len() {
            excerpt.push('…');
        }
        ParseError { what, why, excerpt }
    }

    /// What was read, such as `Content-Range`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// What is wrong with it.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_printable() {
        let error = ParseError::new("Content-Range", "it is rubbish", b"a\x1b[2J\xff\n");
        assert_eq!(
            error.to_string(),
            "Content-Range: it is rubbish, got \"a\\u{1b}[2J\u{fffd}\\n\""
        );
        assert!(ParseError::new("x", "y", &[b'a'; 100_000]).to_string().len() < 200);
    }
}
