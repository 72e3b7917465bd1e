//! `piton forget` for lists.

use std::path::Path;

use piton::checkpoint::ledger::Ledger;
use piton::durable::fs::{Fs, OsFs};

use super::place::Place;
use crate::trouble::Trouble;

/// Whether this list has a state, or is one.
pub(in crate::commands) fn is_list(path: &Path) -> bool {
    let place = Place::of(path.as_os_str(), None);
    place.is_ok_and(|place| matches!(OsFs.stat(&place.ledger), Ok(Some(stat)) if !stat.is_dir))
}

/// Removes the state of a list, in `state` if that is elsewhere. Reports what it removed.
pub(in crate::commands) fn forget(path: &Path, state: Option<&Path>) -> Result<String, Trouble> {
    let place = Place::of(path.as_os_str(), state)?;
    let mut removed = Ledger::remove(&place.ledger)?;
    // A copy is useless alone; the user's own list stays.
    if place.is_copy() && matches!(OsFs.stat(&place.file), Ok(Some(_))) {
        OsFs.remove(&place.file).map_err(|error| Trouble::file("remove", &place.file, &error))?;
        removed.push(place.file.clone());
    }
    let names: Vec<_> = removed.iter().map(|path| path.display().to_string()).collect();
    Ok(format!("removed {}", names.join(" and ")))
}
