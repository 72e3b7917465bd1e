//! From what a command line names to the jobs there.

use std::path::{Path, PathBuf};

use piton::checkpoint::store::Spec;
use piton::durable::fs::{Fs, OsFs};
use piton::records::{Inspected, find_jobs, inspect, name_of, state_beside};

use super::trouble::of_job;
use crate::commands::unfinished::{Place, each_once, is_folder};
use crate::trouble::Trouble;

/// A job that was found.
pub(in crate::commands) struct Found {
    state: Spec,
    /// What it is named after: its output, or its source.
    pub(in crate::commands) name: PathBuf,
    /// Whether it was named itself, and not only its folder.
    pub(super) named: bool,
    pub(super) job: Result<Inspected, Trouble>,
}

/// The store that `--state` means, if it is not the ledger of a list.
pub(in crate::commands) fn spec(state: Option<&Path>) -> Option<Spec> {
    state?.to_str()?.parse().ok()
}

/// Whether a path itself means a job: it is the state of one, or one lies beside it.
pub(in crate::commands) fn is_job(path: &Path) -> bool {
    !is_folder(path) && state_beside(&OsFs, path).is_some()
}

/// The jobs at these paths, and in folders and below. None is found twice.
pub(in crate::commands) fn find(paths: &[PathBuf]) -> Result<Vec<Found>, Trouble> {
    let found = paths.iter().map(|path| find_at(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(each_once(found.into_iter().flatten()))
}

impl Place for Found {
    fn place(&self) -> PathBuf {
        let place = match &self.state {
            Spec::Journal(path) | Spec::Json(path) => OsFs.canonicalize(path).ok(),
            _ => None,
        };
        place.unwrap_or_else(|| self.name.clone())
    }

    fn named(&mut self) -> &mut bool {
        &mut self.named
    }
}

fn find_at(path: &Path) -> Result<Vec<Found>, Trouble> {
    if is_folder(path) {
        let states = find_jobs(&OsFs, path).map_err(of_job)?;
        return Ok(states.into_iter().filter_map(|state| look(state, path, false)).collect());
    }
    let state = state_beside(&OsFs, path);
    Ok(state.and_then(|state| look(state, path, true)).into_iter().collect())
}

/// The job with this state. `None`: there is none.
pub(in crate::commands) fn look(state: Spec, meant: &Path, named: bool) -> Option<Found> {
    let job = inspect(&OsFs, &state).map_err(of_job).transpose()?;
    Some(Found { name: name_of(&state, meant), named, job, state })
}
