//! What is here under the names of the target.

use std::path::PathBuf;

use crate::download::Outcome;
use crate::engine::existing::ExistingFile;
use crate::engine::open::OpenedPart;

/// What is here under the names of the target.
pub(super) enum Here {
    /// The name is not known before the server is asked.
    Unnamed {
        /// What the file is called if the server does not say otherwise; nothing was there a moment ago.
        free: Option<PathBuf>,
    },
    /// A file under the final name that may be the one asked for; only the server can tell.
    File(ExistingFile),
    /// Nothing at all: no file, no part, no journal.
    Vacant(PathBuf),
    /// A part, open and locked. It may be new.
    Part(Box<OpenedPart>),
}

/// What a look leads to.
pub(super) enum Looked {
    /// The file is there: nothing is left to do.
    Done(Outcome),
    /// Every byte is in the part.
    Complete(Box<OpenedPart>),
    /// The server has to be asked.
    Here(Here),
}

impl From<Here> for Looked {
    fn from(here: Here) -> Self {
        Self::Here(here)
    }
}
