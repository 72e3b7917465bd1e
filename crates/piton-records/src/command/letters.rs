//! A command as the work of a job whose source is a file of dead letters: each letter is tried again.

use super::work::Given;
use super::{CommandWork, Input};
use crate::framing::Framing;
use crate::parallel::{Attempt, Failed, FilePiece, Letter, Work};

/// Runs a command for each letter of a file of dead letters, which is read as lines, a line per piece. The command gets what
/// failed as it did then, on its standard input or in place of `{}`, with the same `PITON_CHUNK_ID`. What fails again is a
/// letter of the same record.
pub struct LetterWork {
    inner: CommandWork,
}

impl CommandWork {
    /// The same for letters.
    pub fn on_letters(self) -> LetterWork {
        LetterWork { inner: self }
    }
}

impl LetterWork {
    /// How the file of letters is framed.
    pub const FRAMING: Framing = Framing::LINES;

    /// What the job remembers of it.
    pub fn what(&self) -> String {
        format!("letters: {}", self.inner.what())
    }
}

impl Work for LetterWork {
    fn attempt(&self, piece: &FilePiece, number: u32) -> Attempt {
        let failed = |why: String| Attempt::Failed(Failed::permanent(why));
        let letter = match Letter::parse(piece.bytes()) {
            Ok(letter) => letter,
            Err(error) => return failed(error.to_string()),
        };
        let bytes = match letter.bytes() {
            Ok(bytes) => bytes,
            Err(error) => return failed(error.to_string()),
        };
        if self.inner.input() == Input::Argument && letter.records != 1 {
            let records = letter.records;
            return failed(format!("the letter has {records} records, and the command takes one"));
        }
        let given = Given {
            offset: letter.offset,
            length: letter.length,
            line: letter.line,
            records: letter.records,
            bytes: &bytes,
            header: None,
            id: letter.id,
        };
        self.inner.try_on(&given, number, Ok)
    }

    fn letter(&self, piece: &FilePiece, failed: &Failed, attempts: u32) -> Option<Letter> {
        let letter = Letter::parse(piece.bytes()).ok()?;
        Some(letter.failed_again(failed, attempts))
    }

    fn stop(&self) {
        self.inner.stop();
    }
}
