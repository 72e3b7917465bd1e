//! A store in an SQLite database: a commit is a transaction, and one database may hold many jobs.

mod database;
mod error;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use piton_durable::fs::{Fs, OsFs, with_suffix};
use piton_durable::held::{self, Held, HeldError, Trust};

use self::database::{Database, resolve};
use super::head::Head;
use super::run::Run;
use super::{Mark, Peeked, Store, StoreError, Survival, Survives, Taken};

/// A job in an SQLite database, which is created if there is none. The file is in WAL mode, so it must be on a local disk.
/// A commit is written, not synced: it survives a kill. A sync is a transaction that waits for the disk. Another run
/// of the same job is refused by a lock on `PATH-NAME.lock`; where locks do nothing, the older run finds that another
/// one took over.
pub struct SqliteStore {
    path: PathBuf,
    job: String,
    run: Run<Open>,
}

struct Open {
    database: Database,
    /// Its row.
    id: i64,
    head: Head,
    /// Dropped last.
    _lock: Lock,
}

impl SqliteStore {
    /// The job of this name in the database at `path`. Nothing is touched yet.
    ///
    /// # Errors
    /// [`SpecError::JobName`](super::SpecError::JobName).
    pub fn new(path: impl Into<PathBuf>, job: &str) -> Result<Self, super::SpecError> {
        super::spec::check_job(job)?;
        let path = path.into();
        let run = Run::new(place(&path, job));
        Ok(Self { path, job: job.to_owned(), run })
    }

    /// Gives what is kept of the job of this name the first free name `NAME.aside-N`, so that the next run starts from
    /// nothing, and returns that name. `None`: there is nothing. Other jobs in the database are left alone.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; [`StoreError::Damaged`] with a file if the database cannot be used at all: it may hold
    /// other jobs, so it is not moved.
    pub fn set_aside(&self) -> Result<Option<String>, StoreError> {
        let path = resolve(&self.path)?;
        if OsFs.lstat(&path).map_err(HeldError::io("inspect", &path))?.is_none() {
            return Ok(None);
        }
        let _lock = Lock::take(&path, &self.job, &self.run.place())?;
        let mut database = Database::open(path)?;
        database.set_aside(&self.job)
    }

    /// Looks at the job of this name in the database at `path`.
    pub(super) fn peek(path: &Path, job: &str) -> Result<Option<Peeked>, StoreError> {
        let path = resolve(path)?;
        let found = database::peek(&path, |conn| rows::find(conn, job, &place(&path, job)))?;
        let Some((head, commits)) = found.flatten() else { return Ok(None) };
        let lock = with_suffix(&path, &format!("-{job}.lock"));
        let running = held::peek(&OsFs, &lock, 0)?.and_then(|there| there.holder);
        Ok(Some(Peeked::new(head.taken(commits), running)))
    }

    fn open(&self) -> Result<(Open, Vec<Vec<u8>>), StoreError> {
        let path = resolve(&self.path)?;
        let lock = Lock::take(&path, &self.job, &self.run.place())?;
        let mut database = Database::open(path)?;
        let run = OsFs.random().map_err(HeldError::io("get random bits for", &self.path))?;
        let (id, head, commits) = database.take(&self.job, run, &self.run.place())?;
        Ok((Open { database, id, head, _lock: lock }, commits))
    }

    /// Does something with the open database. After an error that leaves doubt about it, this run is over.
    fn with<T>(
        &self,
        ends: impl FnOnce(&StoreError) -> bool,
        work: impl FnOnce(&mut Open, &str) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = self.run.place();
        self.run.with(ends, |open| {
            let result = work(open, &place);
            if result.is_err() {
                // What a sync failed to write must not be written now, when nobody hears of an error.
                open.database.leave_wal();
            }
            result
        })
    }
}

impl Store for SqliteStore {
    fn take(&self) -> Result<Taken, StoreError> {
        self.run.take(|| {
            let (open, commits) = self.open()?;
            let taken = open.head.taken(commits);
            Ok((open, taken))
        })
    }

    fn commit(&self, state: &[u8]) -> Result<Mark, StoreError> {
        // Of these nothing was written.
        let ends = |error: &StoreError| {
            use StoreError as E;
            !matches!(error, E::Refused { .. } | E::Busy { .. } | E::Full { .. })
        };
        self.with(ends, |open, place| {
            let head = open.head.with_commit(state, place)?;
            open.database.commit(open.id, (open.head, head), state, place)?;
            open.head = head;
            Ok(Mark(head.last))
        })
    }

    fn sync(&self, through: Mark) -> Result<(), StoreError> {
        self.with(
            |_| true,
            |open, place| {
                let Some(head) = open.head.settled(through) else { return Ok(()) };
                open.database.settle(open.id, (open.head, head), place)?;
                open.head = head;
                open.database.checkpoint_if_due()
            },
        )
    }

    fn remove(&self) -> Result<(), StoreError> {
        let place = self.run.place();
        let Open { mut database, id, head, _lock } = self.run.end()?;
        database.remove(id, head, &place)
    }

    fn place(&self) -> String {
        self.run.place()
    }

    fn survives(&self) -> Survives {
        Survives::of(Survival::Kill, Survival::PowerCut)
    }
}

fn place(path: &Path, job: &str) -> String {
    format!("{}?job={job}", path.display())
}

/// One run of a job in a database at a time. A file of its own: a lock on the database would refuse other jobs, and the
/// system drops the locks of SQLite when a process closes any handle of that file.
struct Lock(Option<Held>);

impl Lock {
    fn take(database: &Path, job: &str, place: &str) -> Result<Self, StoreError> {
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let path = with_suffix(database, &format!("-{job}.lock"));
        match Held::open_or_create(&fs, &path, Trust::Ours, 0o600) {
            Err(HeldError::Locked { holder, .. }) => {
                Err(StoreError::Locked { place: place.to_owned(), holder })
            }
            held => Ok(Self(Some(error::of_held(held, place)?))),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty file that stays is locked by the next run.
        let _ = self.0.take().map(Held::remove);
    }
}
