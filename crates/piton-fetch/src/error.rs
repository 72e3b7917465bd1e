//! How a download ends badly.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use piton_checkpoint::Change;
use piton_durable::part::PartError;

use crate::adopt::Unadoptable;
use crate::digest::Digest;
use crate::transport::TransportError;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The caller asked for something that cannot be.
    Caller,
    /// This machine: disk, permissions, another process.
    Local,
    /// What lies between.
    Network,
    /// The server.
    Server,
}

/// Why a download failed. The message says what failed and on what; [`Failure::hint`] what to do.
///
/// Whatever the variant, the state on disk is good: the same call again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The call cannot be carried out as it stands.
    #[error("{0}")]
    Usage(String),
    /// A file stands under the final name and nothing allows touching it.
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
    Transport {
        /// The last failure.
        source: TransportError,
        /// How many tries it took.
        tries: u32,
    },
    /// Nothing came for longer than is allowed, again and again.
    #[error("nothing came from {host} for {} s{}", after.as_secs_f32(), self::after(*.tries))]
    Stalled {
        /// Host that is silent.
        host: String,
        /// How long it was.
        after: Duration,
        /// How many tries it took.
        tries: u32,
    },
    /// The server answered with an error status.
    #[error("{host} answered {status}{}", after(*.tries))]
    Status {
        /// Host that answered.
        host: String,
        /// What it said.
        status: http::StatusCode,
        /// How long it asked to be left alone (Retry-After), if it did.
        retry_after: Option<Duration>,
        /// How many tries it took.
        tries: u32,
    },
    /// The file on the server has not the length that it must have. Said before a byte is fetched, if the
    /// server says the length.
    #[error("the file on {host} has {is} bytes and should have {}", lengths(wanted))]
    WrongSize {
        /// Host that answered.
        host: String,
        /// The length there, in bytes.
        is: u64,
        /// The lengths that would be right: one, or those that fit the digests of pieces.
        wanted: RangeInclusive<u64>,
    },
    /// The server's answer breaks the protocol in a way that cannot be worked around.
    #[error("{host} breaks the protocol: {why}")]
    Protocol {
        /// Host that answered.
        host: String,
        /// In what way.
        why: String,
    },
    /// The whole came in and is not what it should be. The part is kept: with another digest it may be right.
    #[error("{} is not the file it should be: {} should be {expected} ({source_of}) and is {got}", path.display(), subject(expected, pieces))]
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
    /// Longer than was allowed.
    #[error("the file is longer than the allowed {limit} bytes")]
    TooLarge {
        /// The limit that was given.
        limit: u64,
    },
    /// What another program left cannot be taken over. It is as it was.
    #[error("{} is not taken over: {why}", path.display())]
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
            format!("the {algorithm} of piece {first} (bad too: {}{more})", named.join(", "))
        }
    }
}

/// As many pieces are named in a message as one can take in.
const NAMED: usize = 8;

impl Failure {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Usage(_) | Self::Stopped { .. } | Self::TooLarge { .. } => Fault::Caller,
            Self::Exists { .. } | Self::Local(_) => Fault::Local,
            Self::Unadoptable { why, .. } => match **why {
                Unadoptable::NoRanges | Unadoptable::Encoded { .. } => Fault::Server,
                _ => Fault::Caller,
            },
            Self::Transport { .. } | Self::Stalled { .. } => Fault::Network,
            Self::Status { .. }
            | Self::Protocol { .. }
            | Self::WrongSize { .. }
            | Self::Integrity { .. }
            | Self::Changed { .. } => Fault::Server,
        }
    }

    /// Whether the same call may succeed later without anything being changed here.
    pub fn may_be_retried(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.retry() == piton_checkpoint::Class::Transient,
            Self::Status { status, .. } => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::Stalled { .. }
            | Self::Changed { .. }
            | Self::Stopped { .. }
            | Self::Integrity { .. } => true,
            Self::Local(error) => {
                matches!(
                    error,
                    PartError::Locked { .. }
                        | PartError::Exchanged { .. }
                        | PartError::GroupSync { .. }
                        | PartError::Changing { .. }
                )
            }
            _ => false,
        }
    }

    /// How long the server asked to be left alone (RFC 9110 section 10.2.3), if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What to do about it, in one sentence, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Exists { .. } => {
                "--overwrite replaces it, --rename keeps both, -o FILE names another place"
            }
            Self::Local(PartError::Locked { .. }) => "wait for the other process or stop it",
            Self::Local(PartError::Exchanged { .. }) => {
                "what is there now was left alone; if another download writes it, wait for that one"
            }
            Self::Local(PartError::NotAFile { .. }) => "-o FILE names another place",
            Self::Local(PartError::NotOurs { why, .. }) => why.remedy(),
            Self::Local(PartError::Io { source, .. } | PartError::GroupSync { source, .. }) => {
                match source.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                        "make room and run the same command again: what came in is kept"
                    }
                    std::io::ErrorKind::PermissionDenied
                    | std::io::ErrorKind::ReadOnlyFilesystem => {
                        "-d DIR or -o FILE names a place that can be written"
                    }
                    std::io::ErrorKind::WouldBlock => {
                        "raise the limit on processes (ulimit -u, pids.max)"
                    }
                    std::io::ErrorKind::CrossesDevices => {
                        "it is on another file system: move it into the folder of the target first"
                    }
                    _ => return None,
                }
            }
            Self::Local(PartError::Begun { .. }) => "piton resume goes on with it",
            Self::Local(PartError::Changing { .. }) => "end that program first",
            Self::Local(PartError::NewerFormat { .. }) => {
                "use that version, or `piton forget` it and start over"
            }
            Self::Status { status, .. } => match status.as_u16() {
                401 | 403 => {
                    "--user, --bearer or a netrc file give a login; an expired link must be got anew"
                }
                407 => "put the login into the address of the proxy",
                404 | 410 => "check the address",
                429 | 503 => "the server asks for patience: run the same command later",
                _ => return None,
            },
            Self::Changed { .. } => "--restart begins again with the new version",
            Self::WrongSize { .. } => {
                "check the size that was given, or get the file from another place"
            }
            Self::TooLarge { .. } => "--max-size raises the limit",
            Self::Integrity { .. } => "check the digest, or get the file from another place",
            Self::Transport { source, .. } => return source.hint(),
            Self::Unadoptable { why, .. } => why.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
