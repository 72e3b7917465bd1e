//! What can go wrong with a part.

use std::io;
use std::path::{Path, PathBuf};

use crate::dirs::DirError;
use crate::journal::HeadError;
use crate::lock::{LockError, by};
use crate::named::NameError;
use crate::own::{NotOurs, OwnError};
use crate::replace::{ReplaceError, StageError};

/// What could not be done with a part, its journal or its final name. None of these costs a byte that
/// was claimed before, except where a variant says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// Another process holds the part. Trying again helps when that has ended.
    #[error("{} is being written by another process{}", path.display(), by(*.holder))]
    Locked {
        /// The part.
        path: PathBuf,
        /// The process that holds it, if the system reports it.
        holder: Option<u32>,
    },
    /// The final name is taken and replacing was not allowed. Part and journal are in place, and the
    /// next run can finish. The user has to decide.
    #[error("{} already exists", path.display())]
    Exists {
        /// The final name.
        path: PathBuf,
    },
    /// Part, journal or final file of this download is no longer the file that it writes. Nothing was
    /// renamed or removed, and nothing counts as done. Trying again may help: what is there now is
    /// another download, or none.
    #[error(
        "{} is no longer the file that this download writes: another program moved, replaced or \
         removed it",
        path.display()
    )]
    Exchanged {
        /// The name that another file has, or none.
        path: PathBuf,
    },
    /// The final name belongs to a device, a FIFO, a socket or a directory. These are never replaced,
    /// whatever the options.
    #[error("{} is not a regular file, and only regular files are replaced", path.display())]
    NotAFile {
        /// The final name.
        path: PathBuf,
    },
    /// The file where this download keeps its state was not left by a run of this user. It is
    /// neither used nor touched. The user has to look at it ([`NotOurs::remedy`]).
    #[error("refusing to use {}: {why}", path.display())]
    NotOurs {
        /// The file: a part, a journal, or what would become one.
        path: PathBuf,
        /// What is wrong with it.
        why: NotOurs,
    },
    /// A journal of a newer format: this program must not touch it; a newer one can resume.
    #[error("{} was written by a newer version of piton (journal format {found})", path.display())]
    NewerFormat {
        /// The journal.
        path: PathBuf,
        /// Its format version.
        found: u16,
    },
    /// Not a journal, or its header is damaged. Only [`crate::journal::read`] reports this; opening a
    /// part sets such a journal aside and starts over.
    #[error("{} cannot be read as a journal: its header is damaged", path.display())]
    Unreadable {
        /// The journal.
        path: PathBuf,
    },
    /// A file was to be adopted, but it, or the part of its target, is a download of piton already, which can
    /// be resumed.
    #[error("{} is already a piton download", path.display())]
    Begun {
        /// The part.
        path: PathBuf,
    },
    /// A file was to be adopted and changed meanwhile. Trying again helps when the program that writes to it
    /// has ended.
    #[error("{} is changing: another program still writes to it", path.display())]
    Changing {
        /// The file.
        path: PathBuf,
    },
    /// A write to a part before [`crate::part::Part::begin`]. A bug of the program.
    #[error("{} has not been started", path.display())]
    NotBegun {
        /// The part.
        path: PathBuf,
    },
    /// While the file system made this file and others durable, some write to it failed. The file is
    /// not under its final name, or perhaps not durably; if it is, it is whole. The failed write may
    /// have been to another file, so trying again from the start may help.
    #[error("the disk failed while saving {}: {source}", path.display())]
    GroupSync {
        /// The final name.
        path: PathBuf,
        /// What the system reported, once for all files.
        source: io::Error,
    },
    /// The operating system refused an operation. If it was part of a sync, a checkpoint, a beginning or a
    /// compaction, the part is poisoned: do not try again with it. Opening it again starts from what is
    /// proven.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb: "write", "sync", "rename".
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl PartError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    pub(crate) fn name(what: &'static str, path: &Path) -> impl FnOnce(NameError) -> Self {
        move |error| match error {
            NameError::Exchanged(path) => Self::Exchanged { path },
            NameError::NotAFile(path) => Self::NotAFile { path },
            NameError::Io(source) => Self::io(what, path)(source),
        }
    }

    pub(crate) fn own(what: &'static str, path: &Path) -> impl FnOnce(OwnError) -> Self {
        move |error| match error {
            OwnError::NotOurs(why) => Self::NotOurs { path: path.to_owned(), why },
            OwnError::Io(source) => Self::io(what, path)(source),
        }
    }

    pub(crate) fn head(error: HeadError, path: &Path) -> Self {
        let path = path.to_owned();
        match error {
            HeadError::Newer(found) => Self::NewerFormat { path, found },
            HeadError::Unreadable => Self::Unreadable { path },
        }
    }

    /// `path` is the file to be locked, `part` the one that the user knows.
    pub(crate) fn lock(error: LockError, path: &Path, part: &Path) -> Self {
        match error {
            LockError::Held { holder } => Self::Locked { path: part.to_owned(), holder },
            LockError::NotOurs(why) => Self::NotOurs { path: path.to_owned(), why },
            LockError::Io(source) => Self::Io { what: "open", path: path.to_owned(), source },
        }
    }
}

impl From<ReplaceError> for PartError {
    fn from(error: ReplaceError) -> Self {
        let ReplaceError { what, path, source } = error;
        Self::Io { what, path, source }
    }
}

impl From<StageError> for PartError {
    fn from(error: StageError) -> Self {
        ReplaceError::from(error).into()
    }
}

impl From<DirError> for PartError {
    fn from(error: DirError) -> Self {
        let DirError { what, path, source } = error;
        Self::Io { what, path, source }
    }
}

/// The failure after which nothing more may be done with a part, kept to be reported again.
pub(super) enum Poison {
    /// The system failed.
    Io { what: &'static str, path: PathBuf, kind: io::ErrorKind, os: Option<i32>, text: String },
    /// Another program has one of its names.
    Exchanged { path: PathBuf },
}

impl Poison {
    /// `None`: an error that is no reason to abandon the part.
    pub(super) fn of(error: &PartError) -> Option<Self> {
        match error {
            PartError::Io { what, path, source } => Some(Self::Io {
                what,
                path: path.clone(),
                kind: source.kind(),
                os: source.raw_os_error(),
                text: source.to_string(),
            }),
            PartError::Exchanged { path } => Some(Self::Exchanged { path: path.clone() }),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> PartError {
        match self {
            Self::Io { what, path, kind, os, text } => {
                let source = match os {
                    Some(code) => io::Error::from_raw_os_error(*code),
                    None => io::Error::new(*kind, text.clone()),
                };
                PartError::Io { what, path: path.clone(), source }
            }
            Self::Exchanged { path } => PartError::Exchanged { path: path.clone() },
        }
    }
}
