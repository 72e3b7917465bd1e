//! Why an item has no name, or no folder.

use std::io;
use std::path::PathBuf;

/// Why an item has no name. An error in the list: retrying does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It contains `..`, or is an absolute path to somewhere else.
    #[error("{0:?} leads out of the target folder")]
    LeadsOut(String),
    /// Nothing in this part is valid in a name.
    #[error("{0:?} is not a valid file name")]
    Unusable(String),
    /// More nested folders than any tree needs.
    #[error("more than {limit} nested folders")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// It is the name of the list, of its ledger, or of one of their files.
    #[error("{0:?} is the list itself or one of its state files")]
    Taken(String),
    /// The path in the list is not UTF-8.
    #[error("{} is not UTF-8", .0.display())]
    NotText(PathBuf),
}

/// Why the folder of an item cannot be used. Folders created so far stay.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A symbolic link in the path leads out.
    #[error("{} leads out of the target folder, to {}", path.display(), to.display())]
    LeadsOut {
        /// The requested folder.
        path: PathBuf,
        /// Where it really is.
        to: PathBuf,
    },
    /// A file is in place of a folder.
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
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}
