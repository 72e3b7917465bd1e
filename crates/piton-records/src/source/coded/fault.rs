//! What can be wrong with a compressed source, with its place.

use std::io;
use std::path::Path;

use crate::error::Error;
use crate::source::SourceChange;

/// Why no more bytes come out of a compressed source. Places are bytes of the file.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    /// It became shorter while it was read.
    Shrunk {
        was: u64,
        now: u64,
    },
    /// It ends where it must not.
    Cut {
        within: &'static str,
        at: u64,
    },
    /// Its bytes contradict the format or a checksum. What came out since the uncompressed byte `since` may be wrong.
    Damaged {
        what: &'static str,
        at: u64,
        since: u64,
    },
    /// It needs something that this library does not have, or is not allowed.
    Unsupported {
        what: &'static str,
        at: u64,
    },
    /// It needs a larger window than is allowed.
    Window {
        needed: u64,
        allowed: u64,
        at: u64,
    },
}

impl Fault {
    /// A decoder got no memory.
    pub(crate) fn no_memory() -> Self {
        Self::Io(io::ErrorKind::OutOfMemory.into())
    }

    /// The same for users, of the file at this path.
    pub(crate) fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Io(source) => Error::Io { what: "read", path, source },
            Self::Shrunk { was, now } => {
                Error::SourceChanged { path, change: SourceChange::Shrunk { was, now } }
            }
            Self::Cut { within, at } => Error::SourceCut { path, within, at },
            Self::Damaged { what, at, since } => Error::SourceDamaged { path, what, at, since },
            Self::Unsupported { what, at } => Error::SourceUnsupported { path, what, at },
            Self::Window { needed, allowed, at } => {
                Error::WindowTooLarge { path, needed, allowed, at }
            }
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
