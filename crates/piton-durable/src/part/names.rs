//! Whether the names of a part that is being written still belong to its files.

use std::path::Path;

use super::{Part, PartError, Target};
use crate::fs::{FileId, Fs};
use crate::journal::log::Log;
use crate::named::{self, NameError, Overwrite};

impl Part {
    /// Whether part and journal still have their names. A user who removes them and starts again
    /// should not have to wait for the end of this download to learn of it.
    pub(super) fn check_names(&self) -> Result<(), PartError> {
        let (part, journal) = (self.target.part(), self.target.journal());
        named::check(&*self.fs, self.id, &part).map_err(PartError::name("inspect", &part))?;
        match self.journal_id() {
            Some(id) => {
                named::check(&*self.fs, id, &journal).map_err(PartError::name("inspect", &journal))
            }
            None => Ok(()),
        }
    }

    /// Which file the journal is, where there is one.
    pub(super) fn journal_id(&self) -> Option<FileId> {
        self.state().log.as_ref().map(Log::id)
    }

    pub(super) fn remove(&self, file: FileId, path: &Path) -> Result<(), PartError> {
        named::remove(&*self.fs, file, path).map_err(PartError::name("remove", path))
    }
}

/// Renames a journal from its temporary name to its own, which until now `old` had, or none.
pub(super) fn place_journal(
    fs: &dyn Fs,
    target: &Target,
    new: &Log,
    old: Option<FileId>,
) -> Result<(), PartError> {
    let (temporary, path) = (target.temporary(), target.journal());
    let over = old.map_or(Overwrite::Nothing, Overwrite::Ours);
    named::rename(fs, new.id(), &temporary, &path, over).map_err(|error| match error {
        // There was none when the part was opened, and only the owner of the part makes one.
        NameError::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            PartError::Exchanged { path }
        }
        error => PartError::name("move into place", &path)(error),
    })
}
