//! A server that answers, and says no.

use std::fmt;
use std::time::Duration;

/// An answer without the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Host that answered.
    pub host: String,
    /// What it comes down to.
    pub kind: RefusalKind,
    /// The number that the protocol has for it, such as an HTTP status.
    pub code: Option<u16>,
    /// What the server said, for people.
    pub text: String,
    /// How long it asked to be left alone.
    pub retry_after: Option<Duration>,
}

/// What a refusal comes down to, in any protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// A fault of the server's, which may pass.
    Transient,
    /// The resource is being made.
    NotReady,
    /// Too much to do, or too many connections from us.
    Busy,
    /// Too many requests from us within some time.
    TooMany,
    /// Not for us, or not for so many of us; a link that has expired says so too.
    Denied,
    /// A login is wanted, or another one.
    Unauthorized,
    /// There is no such resource, or none any more.
    Gone,
    /// The question is wrong in a way that the range in it may be to blame for.
    BadQuestion,
    /// No, and no number of tries changes that.
    Permanent,
    /// The answer breaks the protocol.
    Broken,
}

impl Refusal {
    /// An answer of `host` that breaks the protocol.
    pub fn broken(host: impl Into<String>, why: impl Into<String>) -> Self {
        let (host, text) = (host.into(), why.into());
        Self { host, kind: RefusalKind::Broken, code: None, text, retry_after: None }
    }
}

impl RefusalKind {
    /// Whether it may mean that the server wants fewer connections from us.
    pub fn may_be_crowding(self) -> bool {
        matches!(self, Self::Denied | Self::TooMany | Self::Busy)
    }

    /// Whether it may be the range that is refused, which is the engine's wish and nobody else's.
    pub fn may_mind_the_range(self) -> bool {
        matches!(self, Self::BadQuestion | Self::Denied)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, text, .. } = self;
        match self.kind {
            RefusalKind::Broken => write!(f, "{host} violates the protocol: {text}"),
            // This machine, which speaks of itself.
            _ if self.code.is_none() => f.write_str(text),
            _ => write!(f, "{host} answered {text}"),
        }
    }
}

impl std::error::Error for Refusal {}
