//! Why a connection stopped working on its segment.

use std::time::Duration;

use piton_checkpoint::{Backoff, Change, Class};
use piton_durable::part::PartError;
use url::Url;

use super::mirrors::redacted;
use crate::failure::{Failure, Meaning, NotTheFile, Retry};
use crate::resume::media_type;
use piton_remote::{AskError, Head, Refusal, RefusalKind, RemoteError};

/// Why a connection stopped working on its segment.
#[derive(Debug)]
pub(super) enum TransferError {
    /// The exchange failed.
    Remote(RemoteError),
    /// Nothing came for as long as is allowed.
    Stalled { host: String, after: Duration },
    /// It did not begin to answer for as long as is allowed.
    NoAnswer { host: String, after: Duration },
    /// The server says no, or its answer breaks the protocol.
    Refused {
        refusal: Box<Refusal>,
        /// The answer came from where a redirect led to, and the original URL may lead elsewhere now.
        expired: bool,
    },
    /// A range was asked for and the whole came, of the same version.
    NoRanges,
    /// The source is another version than the one that was begun (G4).
    Changed(Change),
    /// A mirror has another file than the one that is here (G4).
    OtherFile(Change),
    /// The answer is a page in the place of the file, perhaps only for the moment.
    OtherPage(Box<Failure>),
    /// A failure that is said as it stands.
    Final(Box<Failure>),
    /// More came than is allowed.
    TooLarge,
    /// The disk.
    Local(PartError),
    /// The coordinator gave this connection up for being too slow.
    Replaced,
    /// The coordinator asked to stop.
    Stopped,
}

impl TransferError {
    /// What it calls for, seen alone.
    pub(super) fn class(&self) -> Class {
        let retry = match self {
            Self::Remote(error) => Meaning::of_remote(error).retry,
            Self::Stalled { .. } | Self::NoAnswer { .. } | Self::Replaced | Self::OtherPage(_) => {
                Retry::Later
            }
            Self::Refused { expired: true, .. } => return Class::ResolveAgain,
            // One node of a farm may answer badly.
            Self::Refused { .. } if self.is_broken() => Retry::Later,
            Self::Refused { refusal, .. } => Meaning::of_refusal(refusal).retry,
            _ => Retry::Never,
        };
        match retry {
            Retry::Never => Class::Fatal,
            _ => Class::Transient,
        }
    }

    /// Whether it may mean that the server wants fewer connections from us.
    pub(super) fn is_crowding(&self) -> bool {
        match self {
            Self::Refused { refusal, expired } => !expired && refusal.kind.may_be_crowding(),
            Self::Remote(error) => error.before_answer(),
            _ => false,
        }
    }

    /// The pauses before it is tried again, where the server does not ask for longer ones. A limit on requests is
    /// one by the minute, and it is waited for at least two of them.
    pub(super) fn backoff(&self) -> Backoff {
        match self {
            Self::Refused { refusal, .. } if refusal.kind == RefusalKind::TooMany => {
                Backoff::BY_THE_MINUTE
            }
            _ => Backoff::default(),
        }
    }

    /// How long the server asked us to wait.
    pub(super) fn requested_pause(&self) -> Option<Duration> {
        match self {
            Self::Refused { refusal, .. } => refusal.retry_after,
            _ => None,
        }
    }

    /// In words, for a notice.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Remote(error) => error.to_string(),
            Self::Stalled { host, after } => {
                format!("received nothing from {host} for {} s", after.as_secs_f32())
            }
            Self::NoAnswer { host, after } => {
                format!("{host} did not start to answer within {} s", after.as_secs_f32())
            }
            Self::Refused { refusal, .. } => refusal.to_string(),
            Self::NoRanges => "the server ignores ranges".to_owned(),
            Self::Changed(change) | Self::OtherFile(change) => change.to_string(),
            Self::OtherPage(failure) | Self::Final(failure) => failure.to_string(),
            Self::TooLarge => "it sent more than is allowed".to_owned(),
            Self::Local(error) => error.to_string(),
            Self::Replaced => "too slow".to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// As the end of the download, after `tries` of it.
    pub(super) fn into_failure(self, tries: u32, limit: Option<u64>) -> Failure {
        match self {
            Self::Remote(source) => Failure::Remote { source, tries },
            Self::Stalled { host, after } => Failure::Stalled { host, after, tries },
            Self::NoAnswer { host, after } => Failure::NoAnswer { host, after, tries },
            Self::Refused { refusal, .. } => Failure::refused(*refusal, tries),
            Self::NoRanges | Self::Replaced | Self::Stopped => {
                Failure::Stopped { have: 0, path: None }
            }
            Self::Changed(change) | Self::OtherFile(change) => {
                Failure::Changed { change, restarts: 0 }
            }
            Self::OtherPage(failure) | Self::Final(failure) => *failure,
            Self::TooLarge => Failure::TooLarge { limit: limit.unwrap_or(0) },
            Self::Local(error) => Failure::Local(error),
        }
    }
}

impl TransferError {
    /// An answer that breaks the protocol.
    pub(super) fn broken(host: String, why: &str) -> Self {
        Self::Refused { refusal: Box::new(Refusal::broken(host, why)), expired: false }
    }

    /// Whether the answer breaks the protocol.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Refused { refusal, .. } if refusal.kind == RefusalKind::Broken)
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

impl From<PartError> for TransferError {
    fn from(error: PartError) -> Self {
        Self::Local(error)
    }
}

impl From<RemoteError> for TransferError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

impl From<Refusal> for TransferError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal: Box::new(refusal), expired: false }
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
