//! `piton forget` for jobs.

use std::path::Path;
use std::sync::Arc;

use piton::checkpoint::store::Spec;
use piton::durable::fs::{Fs, OsFs};
use piton::records::{self, name_of, state_beside};

use super::trouble::of_job;
use crate::exit::Exit;
use crate::trouble::Trouble;

/// Removes state, unfinished output and spool of the job that `path` means, with its state in `state` if that is elsewhere.
/// Reports what it removed.
pub(in crate::commands) fn forget(path: &Path, state: Option<Spec>) -> Result<String, Trouble> {
    let nothing = || Trouble::new(Exit::Local, "there is no job here");
    let state = state.or_else(|| state_beside(&OsFs, path)).ok_or_else(nothing)?;
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let done = records::forget(&fs, &state, &name_of(&state, path)).map_err(of_job)?;
    let done = done.ok_or_else(nothing)?;
    let kept = done.kept.map(|part| {
        format!("\n{} was kept: it may be complete, or of something else", part.display())
    });
    Ok(format!("removed {}{}", done.removed.join(" and "), kept.unwrap_or_default()))
}
