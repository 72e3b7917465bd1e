//! How a download ends badly.
//!
//! [`Failure`] says what failed, on what, and why; [`meaning`] what follows from it.

mod meaning;
#[cfg(test)]
mod model;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use piton_checkpoint::Change;
use piton_durable::part::PartError;

use crate::adopt::Unadoptable;
use crate::digest::Digest;
pub use piton_remote::{FailureClass, Fault, Meaning, Retry};
use piton_remote::{Refusal, RemoteError};

/// Why a download failed. The message says what failed, on what and why.
///
/// Whatever the variant, the state on disk is good: the same call again continues from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The call cannot be carried out as it stands.
    #[error("{0}")]
    Usage(String),
    /// A file is under the final name and nothing allows touching it.
    #[error("{} already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The disk, a permission, or another process (see [`PartError`]).
    #[error(transparent)]
    Local(#[from] PartError),
    /// The network or the far end, for longer than the retries lasted.
    #[error("{source}{}", after(*.tries))]
    Remote {
        /// The last failure.
        source: RemoteError,
        /// How many tries it took.
        tries: u32,
    },
    /// Nothing came for longer than is allowed, again and again.
    #[error("received nothing from {host} for {} s{}", after.as_secs_f32(), self::after(*.tries))]
    Stalled {
        /// Host that is silent.
        host: String,
        /// How long it was.
        after: Duration,
        /// How many tries it took.
        tries: u32,
    },
    /// The server did not begin to answer for longer than is allowed, again and again.
    #[error("{host} did not start to answer within {} s{}", after.as_secs_f32(), self::after(*.tries))]
    NoAnswer {
        /// Host that is silent.
        host: String,
        /// How long it was at last.
        after: Duration,
        /// How many tries it took.
        tries: u32,
    },
    /// The server answered, and says no.
    #[error("{refusal}{}", after(*.tries))]
    Refused {
        /// What it said.
        refusal: Box<Refusal>,
        /// How many tries it took.
        tries: u32,
    },
    /// The file on the server has not the length that it must have. Said before a byte is fetched, if the
    /// server says the length.
    #[error("the file on {host} has {is} bytes, expected {}", lengths(wanted))]
    WrongSize {
        /// Host that answered.
        host: String,
        /// The length there, in bytes.
        is: u64,
        /// The lengths that would be right: one, or those that fit the digests of pieces.
        wanted: RangeInclusive<u64>,
    },
    /// The server's answer breaks the protocol in a way that cannot be worked around.
    #[error("{host} violates the protocol: {why}")]
    Protocol {
        /// Host that answered.
        host: String,
        /// In what way.
        why: String,
    },
    /// The whole came in and is not what it should be. The part is kept: with another digest it may be right.
    #[error("{} failed verification: {} is {got}, expected {expected} ({source_of})", path.display(), subject(expected, pieces))]
    Integrity {
        /// The target.
        path: PathBuf,
        /// The digest that was wanted.
        expected: Digest,
        /// The digest of what came.
        got: Digest,
        /// Who named the digest: the user, or which header of the server.
        source_of: String,
        /// The numbers of the pieces that are bad, counted from 0, where the digest is that of a piece (the
        /// first of them); empty where it is that of the whole.
        pieces: Box<[u64]>,
    },
    /// The source is no longer the one that was begun.
    #[error("the file on the server changed: {change}")]
    Changed {
        /// How that is known.
        change: Change,
        /// Starting over was allowed and done too often in this run.
        restarts: u32,
    },
    /// The answer is not the file, such as a page that asks to sign in. What is here was kept.
    #[error("{url} answered with {media_type}, which is not the file{}", why.words())]
    NotTheFile {
        /// Who answered, after redirects, without login and query.
        url: Box<str>,
        /// The media type that it says.
        media_type: Box<str>,
        /// How that is known.
        why: NotTheFile,
    },
    /// Longer than was allowed.
    #[error("the file is longer than the allowed {limit} bytes")]
    TooLarge {
        /// The limit that was given.
        limit: u64,
    },
    /// What another program left cannot be imported. It is as it was.
    #[error("cannot adopt {}: {why}", path.display())]
    Unadoptable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: Box<Unadoptable>,
    },
    /// [`crate::Stop`] was used; all that had come in is saved.
    #[error("stopped; {have} bytes are saved")]
    Stopped {
        /// Bytes on disk.
        have: u64,
        /// The target, where it was known by then.
        path: Option<PathBuf>,
    },
}

/// How it is known that an answer is not the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTheFile {
    /// It is neither of the version that was begun nor does it look like it.
    Displaces,
    /// It would replace a file, and looks like no version of it.
    Replaces,
    /// These media types are expected.
    Unexpected(Box<[String]>),
}

impl NotTheFile {
    fn words(&self) -> String {
        match self {
            Self::Displaces => " being downloaded".to_owned(),
            Self::Replaces => " it would replace".to_owned(),
            Self::Unexpected(expected) => format!(" (expected {})", expected.join(" or ")),
        }
    }
}

fn after(tries: u32) -> String {
    if tries > 1 { format!(" (after {tries} tries)") } else { String::new() }
}

fn lengths(wanted: &RangeInclusive<u64>) -> String {
    let (least, most) = (wanted.start(), wanted.end());
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

/// What a digest is of.
fn subject(expected: &Digest, pieces: &[u64]) -> String {
    let algorithm = expected.algorithm();
    match pieces {
        [] => format!("its {algorithm}"),
        [one] => format!("the {algorithm} of piece {one}"),
        [first, others @ ..] => {
            let named: Vec<_> = others.iter().take(NAMED).map(u64::to_string).collect();
            let more = if others.len() > NAMED { " and more" } else { "" };
            format!("the {algorithm} of piece {first} (also wrong: {}{more})", named.join(", "))
        }
    }
}

/// As many pieces are named in a message as one can take in.
const NAMED: usize = 8;

impl Failure {
    /// It took so many tries, where that is reported.
    pub(crate) fn set_tries(&mut self, tried: u32) {
        if let Self::Remote { tries, .. }
        | Self::Stalled { tries, .. }
        | Self::NoAnswer { tries, .. }
        | Self::Refused { tries, .. } = self
        {
            *tries = tried;
        }
    }

    /// Whether the same call may succeed later without anything being changed here.
    pub fn may_be_retried(&self) -> bool {
        self.meaning().retry != Retry::Never
    }

    /// How long the server asked to be left alone (RFC 9110 section 10.2.3), if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { refusal, .. } => refusal.retry_after,
            _ => None,
        }
    }
}
