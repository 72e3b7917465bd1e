//! Why an item has no name, or no folder.

use std::io;
use std::path::PathBuf;

/// Why an item has no name. A mistake in the list: trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// `..` in it, or an absolute path to somewhere else.
    #[error("{0:?} leads out of the target folder")]
    LeadsOut(String),
    /// Nothing that can be a name is left of this part of it.
    #[error("{0:?} is not a valid file name")]
    Unusable(String),
    /// More folders in one another than any tree has for a good reason.
    #[error("more than {limit} nested folders")]
    TooDeep {
        /// The most that are made.
        limit: usize,
    },
    /// It is the name of the list, of its ledger, or of what belongs to that.
    #[error("{0:?} is the list itself or one of its state files")]
    Taken(String),
    /// The path in the list is not UTF-8.
    #[error("{} is not UTF-8", .0.display())]
    NotText(PathBuf),
}

/// Why the folder of an item cannot be had. What was made of it until then stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A symbolic link in the path leads to somewhere else.
    #[error("{} leads out of the target folder, to {}", path.display(), to.display())]
    LeadsOut {
        /// The folder wanted.
        path: PathBuf,
        /// Where it really is.
        to: PathBuf,
    },
    /// A file stands where a folder is needed.
    #[error("{} is a file, but must be a folder", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
