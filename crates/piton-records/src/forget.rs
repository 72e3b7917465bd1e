//! Gives a job up: removes its state, its unfinished output and its spool.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::store::{Spec, StoreError};
use piton_durable::fs::Fs;
use piton_durable::held::{Held, Trust};
use piton_durable::part::Target;

use crate::error::Error;
use crate::parallel::{Spool, spool_beside};
use crate::state::{OutputMode, Phase, State};

/// What [`forget`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forgotten {
    /// What is gone.
    pub removed: Vec<String>,
    /// An output under its temporary name that stays: it may be complete.
    pub kept: Option<PathBuf>,
}

/// Gives up the job with this state and this name: removes the state, the output in `NAME.part` unless it is finished, and
/// the spool. A finished output, a file that is appended to and dead letters stay. `None`: there is no such job.
///
/// The state goes last: after a kill the same call does the rest.
///
/// # Errors
/// [`StoreError::Locked`] if a run has it: nothing was changed then.
pub fn forget(fs: &Arc<dyn Fs>, state: &Spec, name: &Path) -> Result<Option<Forgotten>, Error> {
    let place = state.to_string();
    let held = match Taken::take(fs, state)? {
        Some(taken) => taken,
        None => return Ok(None),
    };
    // With the lock: what is seen now stays.
    let last = match state.peek(&**fs) {
        Ok(seen) => {
            let seen = seen.as_ref().and_then(|seen| seen.last());
            seen.and_then(|text| State::decode(text, &place).ok())
        }
        // It is damaged, and removed for that reason perhaps.
        Err(_) => None,
    };
    let mut done = Forgotten::default();
    let part = Target::new(name.to_owned()).part();
    let is_part = fs.lstat(&part).map_err(Error::io("inspect", &part))?.is_some();
    if is_part && is_unfinished_part(last.as_ref(), name) {
        if let Some(part_held) = Held::open(fs, &part, Trust::Ours)? {
            part_held.remove()?;
            done.removed.push(part.display().to_string());
        }
    } else if is_part {
        done.kept = Some(part);
    }
    let spool = spool_beside(name);
    if let Some(work) = last.and_then(|last| last.work)
        && fs.lstat(&spool).map_err(Error::io("inspect", &spool))?.is_some()
    {
        Spool::open(fs, &spool, work.id, 0, 0)?.remove()?;
        // The run may have been killed before it had a file there. What is not ours stays, and the folder with it.
        let _ = fs.remove_dir(&spool);
        done.removed.push(spool.display().to_string());
    }
    held.remove()?;
    done.removed.push(place);
    Ok(Some(done))
}

/// Whether this job writes to the part beside its name, and has not finished it. By its name alone: what the state says of
/// folders holds where the run was started.
fn is_unfinished_part(last: Option<&State>, name: &Path) -> bool {
    last.is_some_and(|last| {
        let output = last.output.as_ref().filter(|output| output.mode == OutputMode::Part);
        let same = |path: &str| Path::new(path).file_name() == name.file_name();
        last.phase == Phase::Running && output.is_some_and(|output| same(&output.path))
    })
}

/// A state that no run can take meanwhile.
enum Taken {
    /// The file itself, whatever is in it.
    File(Held),
    Store(Arc<dyn piton_checkpoint::store::Store>),
}

impl Taken {
    fn take(fs: &Arc<dyn Fs>, state: &Spec) -> Result<Option<Self>, Error> {
        match state {
            Spec::Journal(path) | Spec::Json(path) => {
                let held = Held::open(fs, path, Trust::Ours).map_err(StoreError::from)?;
                Ok(held.map(Self::File))
            }
            _ => {
                if state.peek(&**fs)?.is_none() {
                    return Ok(None);
                }
                let store = state.open(fs)?;
                store.take()?;
                Ok(Some(Self::Store(store)))
            }
        }
    }

    fn remove(self) -> Result<(), Error> {
        match self {
            Self::File(held) => Ok(held.remove().map_err(StoreError::from)?),
            Self::Store(store) => Ok(store.remove()?),
        }
    }
}
