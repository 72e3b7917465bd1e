//! A store that people can read and edit: one JSON file, replaced as a whole by each commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::Fs;
use piton_durable::held::{self, Held, Trust, read_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::place;
use super::run::Run;
use super::{Kept, Mark, Peeked, Store, StoreError, Survival, Survives, Taken};

const VERSION: u16 = 1;
const MAX_LEN: u64 = 64 << 20;

/// A JSON file. Each commit writes, syncs and renames a new one, which takes milliseconds: for slow work, or for people who
/// want to see and change where a job stands. Edit it only while the job does not run; a run that finds it
/// changed stops.
pub struct JsonStore {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    run: Run<Open>,
}

struct Open {
    held: Held,
    epoch: u64,
    kept: Kept,
    /// What the file holds, byte for byte, as long as nobody else writes to it.
    written: Vec<u8>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The version of this layout.
    piton_job_state: u16,
    /// The number of the last run.
    epoch: u64,
    /// The last commit that is surely durable.
    durable: Option<Value>,
    /// Those after it.
    later: Vec<Value>,
}

impl JsonStore {
    /// The store in the file at `path`. Nothing is touched yet.
    pub fn new(fs: Arc<dyn Fs>, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { fs, run: Run::new(place(&path)), path }
    }

    /// Moves the file at `path` aside, so that the next run starts from nothing; returns its new name. For a
    /// state that is damaged, when the user has decided.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; where there is no such file, or it cannot be renamed.
    pub fn set_aside(fs: &Arc<dyn Fs>, path: &Path) -> Result<PathBuf, StoreError> {
        super::journal::set_aside(fs, path)
    }

    pub(super) fn peek(fs: &dyn Fs, path: &Path) -> Result<Option<Peeked>, StoreError> {
        let Some(there) = held::peek(fs, path, MAX_LEN)? else { return Ok(None) };
        let (epoch, kept) = parse(&there.bytes, path)?;
        Ok(Some(Peeked::new(kept.taken(epoch), there.holder)))
    }

    /// Does something with the open file; after an error this run is over, unless only the input was wrong.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Open) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run.with(|error| !matches!(error, StoreError::Refused { .. }), work)
    }

    fn open(&self) -> Result<Open, StoreError> {
        let path = &self.path;
        match Held::open(&self.fs, path, Trust::Ours)? {
            Some(held) => {
                let written = read_all(&held, MAX_LEN)?;
                let (epoch, kept) = parse(&written, path)?;
                let mut open = Open { held, epoch: epoch.saturating_add(1), kept, written };
                open.replace(path)?;
                Ok(open)
            }
            None => {
                let kept = Kept::default();
                let written = compose(1, &kept, path)?;
                let held = Held::create(&self.fs, path, &written)?;
                Ok(Open { held, epoch: 1, kept, written })
            }
        }
    }
}

impl Store for JsonStore {
    fn take(&self) -> Result<Taken, StoreError> {
        self.run.take(|| {
            let open = self.open()?;
            let taken = open.kept.taken(open.epoch);
            Ok((open, taken))
        })
    }

    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError> {
        let path = &self.path;
        self.with(|open| {
            if let Err(error) = serde_json::from_slice::<Value>(state) {
                let why = format!("it is not JSON: {error}");
                return Err(StoreError::Refused { place: place(path), why });
            }
            let mark = open.kept.push(state.to_vec());
            open.replace(path)?;
            Ok(mark)
        })
    }

    fn sync(&self, through: Mark) -> Result<(), StoreError> {
        self.with(|open| match open.kept.settle(through) {
            true => open.replace(&self.path),
            false => Ok(()),
        })
    }

    fn remove(&self) -> Result<(), StoreError> {
        Ok(self.run.end()?.held.remove()?)
    }

    fn place(&self) -> String {
        self.run.place()
    }

    fn survives(&self) -> Survives {
        Survives::of(Survival::PowerCut, Survival::PowerCut)
    }
}

impl Open {
    /// Replaces the file by what is kept now, if nobody else has touched it.
    fn replace(&mut self, path: &Path) -> Result<(), StoreError> {
        self.held.check()?;
        if read_all(&self.held, MAX_LEN)? != self.written {
            return Err(StoreError::Fenced { place: place(path) });
        }
        let bytes = compose(self.epoch, &self.kept, path)?;
        self.held.replace(&bytes)?;
        self.written = bytes;
        Ok(())
    }
}

fn compose(epoch: u64, kept: &Kept, path: &Path) -> Result<Vec<u8>, StoreError> {
    let value = |state: &[u8]| serde_json::from_slice::<Value>(state);
    let document = || -> serde_json::Result<Vec<u8>> {
        let durable = kept.durable().map(value).transpose()?;
        let later = kept.later().map(value).collect::<serde_json::Result<_>>()?;
        let document = Document { piton_job_state: VERSION, epoch, durable, later };
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        Ok(bytes)
    };
    document().map_err(|error| StoreError::Refused { place: place(path), why: error.to_string() })
}

fn parse(bytes: &[u8], path: &Path) -> Result<(u64, Kept), StoreError> {
    #[derive(Deserialize)]
    struct Version {
        piton_job_state: u16,
    }
    let damage = |error: serde_json::Error| StoreError::damage(path, error);
    let Version { piton_job_state: found } = serde_json::from_slice(bytes).map_err(damage)?;
    if found != VERSION {
        return Err(StoreError::Newer { place: place(path), found });
    }
    let document: Document = serde_json::from_slice(bytes).map_err(damage)?;
    let text = |value: &Value| serde_json::to_vec(value).map_err(damage);
    let durable = document.durable.as_ref().map(text).transpose()?;
    let later = document.later.iter().map(text).collect::<Result<_, _>>()?;
    Ok((document.epoch, Kept::of(durable, later)))
}
