//! From the paths of a command line to the unfinished downloads there.

use std::path::{Path, PathBuf};

use piton::durable::fs::{Fs, OsFs};
use piton::durable::part::PartError;
use piton::fetch::{Unfinished, find_unfinished, inspect};

use crate::trouble::Trouble;

/// What was found at one place.
pub(super) struct Found {
    /// The journal, or the path as it was given.
    pub(super) path: PathBuf,
    /// Whether it was named itself, and not only the folder it is in.
    pub(super) named: bool,
    /// `None`: nothing is unfinished there.
    pub(super) state: Result<Option<Unfinished>, Trouble>,
}

/// Looks at each path, and through those that are folders.
pub(super) fn find(paths: &[PathBuf]) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        match look(path) {
            Ok(more) => found.extend(more),
            Err(error) => {
                let path = path.clone();
                found.push(Found { path, named: true, state: Err(error.into()) });
            }
        }
    }
    found
}

fn look(path: &Path) -> Result<Vec<Found>, PartError> {
    let at = |path: PathBuf, named| {
        let state = inspect(&OsFs, &path).map_err(Trouble::from);
        Found { path, named, state }
    };
    let stat = OsFs.stat(path);
    if !stat.is_ok_and(|stat| stat.is_some_and(|stat| stat.is_dir)) {
        return Ok(vec![at(path.to_owned(), true)]);
    }
    let journals = find_unfinished(&OsFs, path)?;
    Ok(journals.into_iter().map(|journal| at(journal, false)).collect())
}

/// A path below "." without the dot, as people write it.
pub(super) fn shown(path: &Path) -> String {
    let path = path.strip_prefix(".").unwrap_or(path);
    crate::out::clean(&path.to_string_lossy())
}

/// The paths of a command line in a sentence.
pub(super) fn places(paths: &[PathBuf]) -> String {
    let all: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    crate::out::clean(&all.join(", "))
}
