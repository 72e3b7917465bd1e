//! Why a connection stopped working on its segment.

use std::time::Duration;

use http::StatusCode;
use piton_checkpoint::{Backoff, Change, Class};
use piton_durable::part::PartError;
use url::Url;

use super::mirrors::redacted;
use crate::failure::{Failure, Meaning, NotTheFile, Retry};
use crate::resume::{Bad, Refusal, media_type};
use crate::transport::{Response, TransportError};

/// Why a connection stopped working on its segment.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The exchange failed.
    Transport(TransportError),
    /// Nothing came for as long as is allowed.
    Stalled { host: String, after: Duration },
    /// It did not begin to answer for as long as is allowed.
    NoAnswer { host: String, after: Duration },
    /// An error status.
    Status {
        host: String,
        status: StatusCode,
        patience: Option<Duration>,
        /// The answer came from where a redirect led to, and the original URL may lead elsewhere now.
        redirected: bool,
    },
    /// The answer breaks the protocol.
    Protocol { host: String, why: Bad },
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

impl Trouble {
    /// What it calls for, seen alone.
    pub(super) fn class(&self) -> Class {
        let retry = match self {
            Self::Transport(error) => Meaning::of_transport(error).retry,
            Self::Stalled { .. }
            | Self::NoAnswer { .. }
            | Self::Replaced
            | Self::Protocol { .. } => Retry::Later,
            Self::OtherPage(_) => Retry::Later,
            Self::Status { redirected: true, .. } => return Class::ResolveAgain,
            Self::Status { status, .. } => Meaning::of_status(status.as_u16()).retry,
            _ => Retry::Never,
        };
        match retry {
            Retry::Never => Class::Fatal,
            Retry::Later | Retry::WithRoom => Class::Transient,
        }
    }

    /// Whether it may mean that the server wants fewer connections from us.
    pub(super) fn is_crowding(&self) -> bool {
        match self {
            // A 403 from where a redirect led to is a link that expired.
            Self::Status { status, redirected, .. } => match status.as_u16() {
                403 => !redirected,
                status => matches!(status, 429 | 503 | 509),
            },
            Self::Transport(error) => error.before_answer(),
            _ => false,
        }
    }

    /// The pauses before it is tried again, where the server does not ask for longer ones. A limit on requests is
    /// one by the minute, and it is waited for at least two of them.
    pub(super) fn backoff(&self) -> Backoff {
        match self {
            Self::Status { status, .. } if status.as_u16() == 429 => Backoff::BY_THE_MINUTE,
            _ => Backoff::default(),
        }
    }

    /// How long the server asked us to wait.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self {
            Self::Status { patience, .. } => *patience,
            _ => None,
        }
    }

    /// In words, for a notice.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Transport(error) => error.to_string(),
            Self::Stalled { host, after } => {
                format!("nothing came from {host} for {} s", after.as_secs_f32())
            }
            Self::NoAnswer { host, after } => {
                format!("{host} did not begin to answer within {} s", after.as_secs_f32())
            }
            Self::Status { host, status, .. } => format!("{host} answered {status}"),
            Self::Protocol { host, why } => format!("{host} breaks the protocol: {}", why.0),
            Self::NoRanges => "the server ignores ranges".to_owned(),
            Self::Changed(change) | Self::OtherFile(change) => change.to_string(),
            Self::OtherPage(failure) | Self::Final(failure) => failure.to_string(),
            Self::TooLarge => "more came than is allowed".to_owned(),
            Self::Local(error) => error.to_string(),
            Self::Replaced => "too slow".to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// As the end of the download, after `tries` of it.
    pub(super) fn into_failure(self, tries: u32, limit: Option<u64>) -> Failure {
        match self {
            Self::Transport(source) => Failure::Transport { source, tries },
            Self::Stalled { host, after } => Failure::Stalled { host, after, tries },
            Self::NoAnswer { host, after } => Failure::NoAnswer { host, after, tries },
            Self::Status { host, status, patience, .. } => {
                Failure::Status { host, status, retry_after: patience, tries }
            }
            Self::Protocol { host, why } => Failure::Protocol { host, why: why.0 },
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

impl Trouble {
    /// An answer from `host` that is not to be used.
    pub(super) fn refused(refusal: Refusal, host: String, redirected: bool) -> Self {
        match refusal {
            Refusal::Bad(why) => Self::Protocol { host, why },
            Refusal::Status { status, patience } => {
                Self::Status { host, status, patience, redirected }
            }
        }
    }

    /// A page in the place of the file.
    pub(super) fn other_page(response: &Response) -> Self {
        let media_type = media_type(&response.headers).unwrap_or_else(|| "a page".to_owned());
        Self::OtherPage(Box::new(not_the_file(&response.url, &media_type, NotTheFile::Displaces)))
    }

    /// A protocol error in the words of `why`.
    pub(super) fn protocol(host: String, why: &str) -> Self {
        Self::Protocol { host, why: Bad(why.to_owned()) }
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

impl From<PartError> for Trouble {
    fn from(error: PartError) -> Self {
        Self::Local(error)
    }
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}
