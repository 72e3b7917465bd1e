//! Dead letters: records that failed, each with its error, as lines of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::worker::Failed;

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Letter {
    /// The name of the piece, the same in every attempt.
    pub id: String,
    /// Where it begins in the source.
    pub offset: u64,
    /// Its length in the source.
    pub length: u64,
    /// The number of its first record, from 1.
    pub line: u64,
    /// Records in it.
    pub records: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it failed.
    pub error: String,
    /// The last of what the command wrote to standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
    /// Its bytes, if they are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Its bytes in base64, if they are not text. A record that is longer than allowed has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

/// Why a line is not a dead letter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LetterError {
    /// It is not JSON of this form.
    #[error("not a dead letter: {0}")]
    Form(serde_json::Error),
    /// Its bytes are not base64.
    #[error("the bytes of the dead letter are not base64: {0}")]
    Bytes(base64::DecodeError),
    /// It has no bytes.
    #[error("the dead letter has no bytes: the record was longer than allowed")]
    Empty,
}

impl Letter {
    /// The same with these bytes.
    pub(crate) fn with_data(mut self, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.data = Some(text.to_owned()),
            Err(_) => self.data_base64 = Some(STANDARD.encode(bytes)),
        }
        self
    }

    /// The same after more attempts.
    pub(crate) fn failed_again(self, failed: &Failed, attempts: u32) -> Self {
        Self {
            attempts: self.attempts.saturating_add(attempts),
            error: failed.why.clone(),
            stderr: String::from_utf8_lossy(&failed.stderr).into_owned(),
            ..self
        }
    }

    /// Its line, with the line end.
    pub(crate) fn line_of(&self) -> Vec<u8> {
        // Text and numbers always become JSON.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line of a file of dead letters.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(line: &[u8]) -> Result<Self, LetterError> {
        serde_json::from_slice(line).map_err(LetterError::Form)
    }

    /// The bytes that failed.
    ///
    /// # Errors
    /// There are none, or they cannot be decoded.
    pub fn bytes(&self) -> Result<Vec<u8>, LetterError> {
        match (&self.data, &self.data_base64) {
            (Some(text), _) => Ok(text.as_bytes().to_vec()),
            (None, Some(text)) => STANDARD.decode(text).map_err(LetterError::Bytes),
            (None, None) => Err(LetterError::Empty),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_whatever_they_are() {
        let letter = Letter {
            id: "0-1".to_owned(),
            offset: 0,
            length: 3,
            line: 1,
            records: 1,
            attempts: 2,
            error: "exit code 1".to_owned(),
            stderr: String::new(),
            data: None,
            data_base64: None,
        };
        for bytes in [&b"a\"b\n"[..], &[0xff, 0, 1]] {
            let line = letter.clone().with_data(bytes).line_of();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(Letter::parse(&line).unwrap().bytes().unwrap(), bytes);
        }
        assert!(matches!(letter.bytes(), Err(LetterError::Empty)));
        assert!(Letter::parse(b"{}").is_err());
    }
}
