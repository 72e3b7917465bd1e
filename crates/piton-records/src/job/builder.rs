//! How a job is run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_checkpoint::store::{Spec, Store};
use piton_durable::fs::{Fs, OsFs};

use serde_json::Value;

use super::{Checkpoints, Job};
use crate::error::Error;
use crate::inspect::state_of;
use crate::output::Foreign;
use crate::source::{Changed, Compression, Growth, MAX_RECORD, MAX_WINDOW};
use crate::start::Start;

/// Choices for a job; [`Job::builder`] makes one with the defaults.
pub struct Builder {
    pub(super) name: PathBuf,
    pub(super) fs: Arc<dyn Fs>,
    place: Place,
    pub(super) growth: Growth,
    pub(super) changed: Changed,
    pub(super) max_record: u64,
    pub(super) verify: bool,
    pub(super) compression: Compression,
    pub(super) max_window: u64,
    pub(super) checkpoints: Checkpoints,
    pub(super) restart: bool,
    pub(super) foreign: Foreign,
    pub(super) note: Option<Value>,
    pub(super) start: Option<Start>,
}

enum Place {
    Spec(Spec),
    /// As it was given: an error waits until the job is opened.
    Text(String),
    Store(Arc<dyn Store>),
}

impl Builder {
    pub(super) fn new(name: &Path) -> Self {
        Self {
            name: name.to_owned(),
            fs: Arc::new(OsFs),
            place: Place::Spec(Spec::Journal(state_of(name))),
            growth: Growth::default(),
            changed: Changed::default(),
            max_record: MAX_RECORD,
            verify: false,
            compression: Compression::default(),
            max_window: MAX_WINDOW,
            checkpoints: Checkpoints::default(),
            restart: false,
            foreign: Foreign::default(),
            note: None,
            start: None,
        }
    }

    /// Keeps the state in a journal at this path, instead of `NAME.piton-job`.
    #[must_use]
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Spec(Spec::Journal(path.into()));
        self
    }

    /// Keeps the state in a JSON file that people can read and edit. Each commit costs milliseconds.
    #[must_use]
    pub fn json(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Spec(Spec::Json(path.into()));
        self
    }

    /// Keeps the state where this text says: `file:PATH`, `json:PATH`, `sqlite:PATH?job=NAME`, or, with the feature
    /// `redis`, `redis://HOST/DB?job=NAME` ([`Spec`] has all of it).
    #[must_use]
    pub fn state(mut self, spec: impl Into<String>) -> Self {
        self.place = Place::Text(spec.into());
        self
    }

    /// Keeps the state in this store, which no run has taken yet.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.place = Place::Store(store);
        self
    }

    /// What happens if something was appended to the source since the job began.
    #[must_use]
    pub fn growth(mut self, growth: Growth) -> Self {
        self.growth = growth;
        self
    }

    /// What happens if the source is not what was read before.
    #[must_use]
    pub fn changed(mut self, changed: Changed) -> Self {
        self.changed = changed;
        self
    }

    /// The longest record, in bytes: 16 MiB by default.
    #[must_use]
    pub fn max_record(mut self, bytes: u64) -> Self {
        self.max_record = bytes;
        self
    }

    /// Keeps the SHA-256 of all that was read; a resume reads and compares it all. Of a compressed source that is the
    /// file as it is, so that nothing has to be decoded for it.
    #[must_use]
    pub fn verify_source(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// How the source is compressed, if its first bytes are not to decide.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The largest window or dictionary of a compressed source, in bytes: 128 MiB by default. That much memory is used
    /// if the source says so.
    #[must_use]
    pub fn max_window(mut self, bytes: u64) -> Self {
        self.max_window = bytes;
        self
    }

    /// How often checkpoints are made.
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// Starts over: the state of earlier runs and an unfinished output are moved aside, also if they are damaged; in a
    /// database and on a server, only what belongs to this job. A
    /// finished output stays, and is in the way of a new one.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.restart = true;
        self
    }

    /// What happens if somebody else has appended to the output.
    #[must_use]
    pub fn foreign(mut self, foreign: Foreign) -> Self {
        self.foreign = foreign;
        self
    }

    /// Keeps this value with the job, in every commit, for [`inspect`](crate::inspect): how the program was called, for
    /// example. It replaces that of earlier runs. Keep it short.
    #[must_use]
    pub fn note(mut self, note: Option<Value>) -> Self {
        self.note = note;
        self
    }

    /// A file of records begins here, since another program has done the rest. Only for a job that has no state yet: opening
    /// the source fails with [`Error::StartedBefore`] otherwise. One pass through what is done finds the place.
    #[must_use]
    pub fn begin_at(mut self, start: Start) -> Self {
        self.start = Some(start);
        self
    }

    /// The file system: that of the system, unless a test has another.
    #[must_use]
    pub fn file_system(mut self, fs: Arc<dyn Fs>) -> Self {
        self.fs = fs;
        self
    }

    /// Takes the job: from now on no other run can write to it.
    ///
    /// # Errors
    /// [`StoreError::Locked`](piton_checkpoint::store::StoreError::Locked) if another run has it,
    /// [`StoreError::Damaged`](piton_checkpoint::store::StoreError::Damaged) if its state cannot be believed; nothing was
    /// changed then.
    pub fn open(self) -> Result<Job, Error> {
        let store = self.place()?;
        Job::take(self, store)
    }

    fn place(&self) -> Result<Arc<dyn Store>, Error> {
        let spec = match &self.place {
            Place::Spec(spec) => spec.clone(),
            Place::Text(text) => text.parse()?,
            Place::Store(_) if self.restart => {
                return Err(Error::Order(
                    "a job in a store of its own starts over in an empty store",
                ));
            }
            Place::Store(store) => return Ok(Arc::clone(store)),
        };
        if self.restart {
            spec.set_aside(&self.fs)?;
        }
        Ok(spec.open(&self.fs)?)
    }
}
