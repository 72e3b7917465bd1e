//! Why a connection stopped working on its segment: a failure, or what only the engine can judge.

use piton_checkpoint::{Change, Class};
use piton_durable::part::PartError;
use url::Url;

use super::mirrors::redacted;
use crate::failure::{Failure, NotTheFile, Retry};
use crate::resume::media_type;
use piton_remote::{AskError, Head, Refusal, RefusalKind, RemoteError};

/// Why a connection stopped working on its segment.
#[derive(Debug)]
pub(super) enum TransferError {
    /// A failure, as the download reports it if it ends with it.
    Failed(Box<Failure>),
    /// A refusal where a redirect led to: the original URL may lead elsewhere now.
    ExpiredLink(Box<Failure>),
    /// The answer is a page in the place of the file, perhaps only for the moment.
    OtherPage(Box<Failure>),
    /// A range within the file is none to the server: another version may be there, and the whole tells.
    OutOfRange(Box<Failure>),
    /// A range was asked for and the whole came, of the same version.
    NoRanges,
    /// The source is another version than the one that was begun (G4).
    Changed(Change),
    /// A mirror has another file than the one that is here (G4).
    OtherFile(Change),
    /// The coordinator gave this connection up for being too slow.
    Replaced,
    /// The coordinator asked to stop.
    Stopped,
}

impl TransferError {
    /// What it calls for, seen alone.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Failed(failure) => match (failure.as_ref(), failure.meaning().retry) {
                // One node of a farm may answer badly.
                (Failure::Protocol { .. }, _) => Class::Transient,
                // The disk is the same for every connection.
                (Failure::Local(_), _) | (_, Retry::Never) => Class::Fatal,
                _ => Class::Transient,
            },
            Self::ExpiredLink(_) => Class::ResolveAgain,
            Self::OtherPage(_) | Self::OutOfRange(_) | Self::Replaced => Class::Transient,
            Self::NoRanges | Self::Changed(_) | Self::OtherFile(_) | Self::Stopped => Class::Fatal,
        }
    }

    /// The failure that it is, if it is no more than that.
    pub(super) fn failed(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether it ends the transfer, whoever was asked.
    pub(super) fn ends_all(&self) -> bool {
        matches!(self.failed(), Some(Failure::Local(_) | Failure::TooLarge { .. }))
            || matches!(self, Self::Stopped)
    }

    /// Whether it is a failure of the disk.
    pub(super) fn is_local(&self) -> bool {
        matches!(self.failed(), Some(Failure::Local(_)))
    }

    /// Whether the server was silent for as long as is allowed.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self.failed(), Some(Failure::Stalled { .. } | Failure::NoAnswer { .. }))
    }

    /// Whether bytes came, and too few of them to be any progress.
    pub(super) fn is_creeping(&self) -> bool {
        matches!(self.failed(), Some(Failure::Remote { source: RemoteError::TooSlow { .. }, .. }))
    }

    /// Whether it may mean that the server wants fewer connections from us.
    pub(super) fn is_crowding(&self) -> bool {
        match self.failed() {
            Some(Failure::Refused { refusal, .. }) => refusal.kind.may_be_crowding(),
            Some(Failure::Remote { source, .. }) => source.before_answer(),
            _ => false,
        }
    }

    /// Whether the answer breaks the protocol.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.failed(), Some(Failure::Protocol { .. }))
    }

    /// Whether what came is no answer at all.
    pub(super) fn is_garbage(&self) -> bool {
        matches!(self.failed(), Some(Failure::Remote { source: RemoteError::Protocol { .. }, .. }))
    }

    /// Whether the answer cannot be worked with, though one of another node, or over another connection, may.
    pub(super) fn is_bad_answer(&self) -> bool {
        let is_odd = matches!(self, Self::OtherPage(_) | Self::OutOfRange(_));
        is_odd || self.is_broken() || self.is_garbage()
    }

    /// In words, for a notice.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Failed(failure)
            | Self::ExpiredLink(failure)
            | Self::OtherPage(failure)
            | Self::OutOfRange(failure) => failure.to_string(),
            Self::NoRanges => "the server ignores ranges".to_owned(),
            Self::Changed(change) | Self::OtherFile(change) => change.to_string(),
            Self::Replaced => "too slow".to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// The same, after so many tries.
    pub(super) fn after(mut self, tried: u32) -> Self {
        if let Self::Failed(failure) | Self::ExpiredLink(failure) = &mut self {
            failure.set_tries(tried);
        }
        self
    }

    /// As the end of the download.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure)
            | Self::ExpiredLink(failure)
            | Self::OtherPage(failure)
            | Self::OutOfRange(failure) => *failure,
            Self::Changed(change) | Self::OtherFile(change) => {
                Failure::Changed { change, restarts: 0 }
            }
            Self::NoRanges | Self::Replaced | Self::Stopped => {
                Failure::Stopped { have: 0, path: None }
            }
        }
    }

    /// An answer that breaks the protocol.
    pub(super) fn broken(host: String, why: &str) -> Self {
        Failure::Protocol { host, why: why.to_owned() }.into()
    }

    /// A page in the place of the file.
    pub(super) fn other_page(head: &Head) -> Self {
        let media_type = media_type(head).unwrap_or_else(|| "a page".to_owned());
        Self::OtherPage(Box::new(not_the_file(&head.url, &media_type, NotTheFile::Displaces)))
    }
}

/// What came from `url` is not the file.
pub(super) fn not_the_file(url: &Url, media_type: &str, why: NotTheFile) -> Failure {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let (url, media_type) = (redacted(&url).into(), media_type.into());
    Failure::NotTheFile { url, media_type, why }
}

impl From<Failure> for TransferError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<PartError> for TransferError {
    fn from(error: PartError) -> Self {
        Failure::from(error).into()
    }
}

impl From<RemoteError> for TransferError {
    fn from(source: RemoteError) -> Self {
        Failure::Remote { source, tries: 1 }.into()
    }
}

impl From<Refusal> for TransferError {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::Broken => Self::Protocol { host: refusal.host, why: refusal.text },
            _ => Self::Refused { refusal: Box::new(refusal), tries: 1 },
        }
    }
}

impl From<AskError> for TransferError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Failed(error) => error.into(),
            AskError::Refused(refusal) => refusal.into(),
        }
    }
}
