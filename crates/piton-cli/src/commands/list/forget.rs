//! `piton forget` for lists.

use std::path::Path;

use piton::checkpoint::ledger::Ledger;
use piton::durable::fs::{Fs, OsFs};

use super::place::Place;
use crate::trouble::Trouble;

/// Whether there is a state of this list, or it is one.
pub(in crate::commands) fn is_list(path: &Path) -> bool {
    let place = Place::of(path.as_os_str(), None);
    place.is_ok_and(|place| matches!(OsFs.stat(&place.ledger), Ok(Some(stat)) if !stat.is_dir))
}

/// Removes what is known of the items of a list, in its `state` if that is elsewhere. Says what it removed.
pub(in crate::commands) fn forget(path: &Path, state: Option<&Path>) -> Result<String, Trouble> {
    let place = Place::of(path.as_os_str(), state)?;
    let mut removed = Ledger::remove(&place.ledger)?;
    // A copy is of no use alone; a list of one's own stays.
    if place.is_copy() && matches!(OsFs.stat(&place.file), Ok(Some(_))) {
        OsFs.remove(&place.file).map_err(|error| Trouble::file("remove", &place.file, &error))?;
        removed.push(place.file.clone());
    }
    let names: Vec<_> = removed.iter().map(|path| path.display().to_string()).collect();
    Ok(format!("removed {}", names.join(" and ")))
}
