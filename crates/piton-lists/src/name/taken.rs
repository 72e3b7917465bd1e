//! Names that no item may have.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use piton_durable::fs::{FileId, Fs, parent_dir};
use piton_durable::part::Target;

use super::{Folder, NameError, TargetPath};

/// Names in the target folder that no item may have: those of the list and of its ledger. Otherwise a
/// server could decide the content of the list for the next run (if files are replaced), or of the ledger:
/// SQLite treats a `LEDGER-journal` or `LEDGER-wal` as its own.
///
/// The default name of a ledger ends in `.piton.db`, which no item can have anyway; another name can
/// collide.
pub(crate) struct Taken(Vec<Own>);

struct Own {
    directory: FileId,
    name: OsString,
    /// Whether it has companion files whose names start with its own.
    has_more: bool,
}

impl Taken {
    /// # Errors
    /// If the directories of the list and the ledger cannot be read.
    pub(crate) fn of(fs: &dyn Fs, list: &Path, ledger: &Path) -> io::Result<Self> {
        // A list may be a link to the file that it is.
        let real = fs.canonicalize(list).ok();
        let places = [(Some(list), false), (real.as_deref(), false), (Some(ledger), true)];
        let mut all = Vec::new();
        for (path, has_more) in places {
            let Some((path, name)) = path.and_then(|path| Some((path, path.file_name()?))) else {
                continue;
            };
            if let Some(stat) = fs.stat(parent_dir(path))? {
                let name = name.to_ascii_lowercase();
                all.push(Own { directory: stat.id, name, has_more });
            }
        }
        Ok(Self(all))
    }

    /// Refuses a target that is one of these, or whose part or journal would be. Blocks.
    ///
    /// # Errors
    /// [`NameError::Taken`].
    pub(crate) fn check(&self, folder: &Folder, target: &TargetPath) -> Result<(), NameError> {
        let files = Target::new(folder.join(target));
        let mut own = self.0.iter().filter(|own| own.is_like(&files)).peekable();
        if own.peek().is_none() {
            return Ok(());
        }
        // A folder that is not there yet holds neither of them; one that leads out fails later, as such.
        let stat = folder.fs().stat(parent_dir(files.path())).ok().flatten();
        match stat.is_some_and(|stat| own.any(|own| own.directory == stat.id)) {
            true => Err(NameError::Taken(target.as_str().to_owned())),
            false => Ok(()),
        }
    }
}

impl Own {
    /// By name only, ignoring case, since some file systems do.
    fn is_like(&self, files: &Target) -> bool {
        let names = [files.path().to_owned(), files.part(), files.journal()];
        names.iter().filter_map(|path| path.file_name()).any(|name| {
            let (name, own) = (name.to_ascii_lowercase(), self.name.as_encoded_bytes());
            let rest = name.as_encoded_bytes().strip_prefix(own);
            rest.is_some_and(|rest| rest.is_empty() || self.has_more)
        })
    }
}
