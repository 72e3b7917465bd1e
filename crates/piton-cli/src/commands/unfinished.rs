//! From the paths of a command line to the unfinished downloads there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use piton::durable::fs::{Fs, OsFs};
use piton::durable::part::Target;
use piton::fetch::{Unfinished, find_unfinished, inspect};

use crate::trouble::Trouble;

/// What was found at one path.
pub(super) struct Found {
    /// The journal, or the path as given.
    pub(super) path: PathBuf,
    /// Whether it was named itself, and not only its folder.
    pub(super) named: bool,
    /// `None`: nothing is unfinished there.
    pub(super) state: Result<Option<Unfinished>, Trouble>,
}

/// Looks at each path, and searches folders. Nothing is found twice.
pub(super) fn find(paths: &[PathBuf]) -> Vec<Found> {
    each_once(paths.iter().flat_map(|path| look(path)))
}

/// What a command line names, or a folder of it holds.
pub(super) trait Place {
    /// The same for every way to write it.
    fn place(&self) -> PathBuf;
    /// Whether it was named itself, and not only its folder.
    fn named(&mut self) -> &mut bool;
}

/// None is in the result twice; what was named once is named.
pub(super) fn each_once<T: Place>(found: impl Iterator<Item = T>) -> Vec<T> {
    let (mut all, mut places) = (Vec::<T>::new(), HashMap::new());
    for mut found in found {
        match places.entry(found.place()) {
            Entry::Vacant(entry) => {
                entry.insert(all.len());
                all.push(found);
            }
            Entry::Occupied(entry) => {
                if let Some(earlier) = all.get_mut(*entry.get()) {
                    *earlier.named() |= *found.named();
                }
            }
        }
    }
    all
}

/// Whether this path is a folder, or a link to one.
pub(super) fn is_folder(path: &Path) -> bool {
    matches!(OsFs.stat(path), Ok(Some(stat)) if stat.is_dir)
}

impl Place for Found {
    fn place(&self) -> PathBuf {
        let journal = match &self.state {
            Ok(Some(unfinished)) => Target::new(unfinished.target.clone()).journal(),
            _ => self.path.clone(),
        };
        OsFs.canonicalize(&journal).unwrap_or(journal)
    }

    fn named(&mut self) -> &mut bool {
        &mut self.named
    }
}

fn look(path: &Path) -> Vec<Found> {
    let at = |path: &Path, named| {
        let state = inspect(&OsFs, path).map_err(Trouble::from);
        Found { path: path.to_owned(), named, state }
    };
    if !is_folder(path) {
        return vec![at(path, true)];
    }
    match find_unfinished(&OsFs, path) {
        Ok(journals) => journals.iter().map(|journal| at(journal, false)).collect(),
        Err(error) => {
            vec![Found { path: path.to_owned(), named: true, state: Err(error.into()) }]
        }
    }
}

/// The paths of a command line in a sentence.
pub(super) fn places(paths: &[PathBuf]) -> String {
    let all: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    crate::out::clean(&all.join(", "))
}
