//! Why sources were given up, and which of the reasons says most.

use piton_checkpoint::Change;

use crate::engine::transfer_error::TransferError;
use crate::failure::{Failure, Meaning, Retry};

/// Reasons, until there is nobody left to ask.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<(TransferError, u32)>);

impl Losses {
    pub(super) fn add(&mut self, trouble: TransferError, tries: u32) {
        self.0.push((trouble, tries));
    }

    /// The reason that says most of those before and the last one. If that is not the last one, also
    /// the last one in words, which nobody was told of yet.
    pub(super) fn most_telling(
        &mut self,
        last: TransferError,
        tries: u32,
    ) -> (TransferError, u32, Option<String>) {
        let most = self.0.iter().map(|(trouble, _)| weight(trouble)).max().unwrap_or(0);
        // Of equals the first: it stands for the URL that was preferred.
        let at = self.0.iter().position(|(trouble, _)| weight(trouble) == most);
        match at {
            Some(at) if most >= weight(&last) => {
                let own = why(&last);
                let (trouble, tries) = self.0.remove(at);
                (trouble, tries, Some(own))
            }
            _ => (last, tries, None),
        }
    }
}

/// How much a reason says of the file: what a server answered says more than silence, and of answers
/// one that may be another later says most, since trying again may help then.
fn weight(trouble: &TransferError) -> u8 {
    match trouble {
        TransferError::Local(_) | TransferError::Stopped | TransferError::TooLarge => 7,
        TransferError::Final(_) => 6,
        TransferError::Changed(_) => 5,
        TransferError::Refused { refusal, .. } => match Meaning::of_refusal(refusal).retry {
            _ if trouble.is_broken() => 2,
            Retry::Never => 3,
            _ => 4,
        },
        TransferError::OtherPage(_) | TransferError::NoRanges => 2,
        TransferError::Remote(_)
        | TransferError::Stalled { .. }
        | TransferError::NoAnswer { .. }
        | TransferError::Replaced => 1,
        // What another URL has says nothing of the file: the reason only where it is that of all.
        TransferError::OtherFile(_) => 0,
    }
}

/// Why a source is dropped, in words.
pub(in crate::engine) fn why(trouble: &TransferError) -> String {
    match trouble {
        TransferError::Changed(Change::Size { was, is })
        | TransferError::OtherFile(Change::Size { was, is }) => {
            format!("it has {is} bytes, and the file {was}")
        }
        TransferError::Final(failure) => match failure.as_ref() {
            Failure::Integrity { pieces, .. } if !pieces.is_empty() => {
                format!("piece {} of it is bad", pieces.first().unwrap_or(&0))
            }
            other => other.to_string(),
        },
        other => other.describe(),
    }
}
