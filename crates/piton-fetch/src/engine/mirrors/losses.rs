//! Why sources were given up, and which of the reasons says most.

use piton_checkpoint::Change;
use piton_remote::Retry;

use crate::engine::transfer_error::TransferError;
use crate::failure::Failure;

/// Reasons, until there is nobody left to ask.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<TransferError>);

impl Losses {
    pub(super) fn add(&mut self, error: TransferError) {
        self.0.push(error);
    }

    /// The reason that says most of those before and the last one. If that is not the last one, also
    /// the last one in words, which was not reported yet.
    pub(super) fn most_telling(&mut self, last: TransferError) -> (TransferError, Option<String>) {
        let most = self.0.iter().map(weight).max().unwrap_or(0);
        // Of equals the first: it stands for the URL that was preferred.
        let at = self.0.iter().position(|error| weight(error) == most);
        match at {
            Some(at) if most >= weight(&last) => (self.0.remove(at), Some(why(&last))),
            _ => (last, None),
        }
    }
}

/// How much a reason says of the file: what a server answered says more than silence, and of answers
/// one that may be another later says most, since trying again may help then.
fn weight(error: &TransferError) -> u8 {
    match error {
        TransferError::Failed(failure) | TransferError::ExpiredLink(failure) => {
            match failure.as_ref() {
                Failure::Local(_) | Failure::Stopped { .. } | Failure::TooLarge { .. } => 7,
                Failure::Refused { .. } => match failure.meaning().retry {
                    Retry::Never => 3,
                    _ => 4,
                },
                Failure::Protocol { .. } => 2,
                Failure::Remote { .. } | Failure::Stalled { .. } | Failure::NoAnswer { .. } => 1,
                Failure::Integrity { .. } => 6,
                // One URL has something else: another that is only busy may still have the file.
                _ => 3,
            }
        }
        TransferError::Stopped => 7,
        TransferError::Changed(_) => 5,
        TransferError::OtherPage(_) | TransferError::OutOfRange(_) | TransferError::NoRanges => 2,
        TransferError::Replaced => 1,
        // What another URL has says nothing of the file: the reason only where it is that of all.
        TransferError::OtherFile(_) => 0,
    }
}

/// Why a source is dropped, in words.
pub(in crate::engine) fn why(error: &TransferError) -> String {
    match error {
        TransferError::Changed(Change::Size { was, is })
        | TransferError::OtherFile(Change::Size { was, is }) => {
            format!("it has {is} bytes, and the file {was}")
        }
        TransferError::Failed(failure) => match failure.as_ref() {
            Failure::Integrity { pieces, .. } if !pieces.is_empty() => {
                format!("piece {} of it is bad", pieces.first().unwrap_or(&0))
            }
            other => other.to_string(),
        },
        other => other.describe(),
    }
}
