//! The database: how it is created, whether it is ours, and whether it still has its name.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use piton_durable::fs::{FileId, Fs, Open, OsFs, parent_dir, with_suffix};
use piton_durable::held::HeldError;
use piton_durable::own::{self, OwnError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::of_sqlite;
use crate::store::StoreError;
use crate::store::error::place;

/// "PITJ", in the header of the database.
const APPLICATION: i64 = 0x5049_544a;
/// The version of the tables; a newer one is left alone.
const FORMAT: i64 = 1;
/// How long to wait for another process, which holds locks only for moments.
const PATIENCE: Duration = Duration::from_secs(5);
/// Databases of at most this many pages are checked as a whole when they are opened; that takes some milliseconds. In
/// larger ones only the checksums of the rows of the job are checked.
const CHECKED_PAGES: i64 = 2_000;
/// The WAL is copied into the database when it has so many bytes.
const LONG_WAL: u64 = 4 << 20;

/// `docs/records.md` explains each.
const SCHEMA: &str = "
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  epoch INTEGER NOT NULL, run INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, durable INTEGER NOT NULL,
  crc INTEGER NOT NULL);
CREATE TABLE commits(
  job INTEGER NOT NULL, number INTEGER NOT NULL, state BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY(job, number)) WITHOUT ROWID;
";

/// When a process closes a handle of a file, the system drops the locks that SQLite has there, also those of another
/// connection. Only the creation of a database opens it without SQLite: while it does, nobody else connects.
static OPENING: Mutex<()> = Mutex::new(());

/// A connection to a database of ours.
pub(super) struct Database {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
    id: FileId,
}

/// The path without links, so that there is one lock for all names.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let parent = OsFs.canonicalize(parent_dir(path)).map_err(HeldError::io("find", path))?;
    Ok(parent.join(path.file_name().unwrap_or_default()))
}

impl Database {
    /// Opens the database at `path`, which [`resolve`] gave; creates it if there is none.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], [`StoreError::Newer`] and [`StoreError::Damaged`] with nothing written.
    pub(super) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        check_owner(&path)?;
        create_if_missing(&path)?;
        refuse_foreign(&path)?;
        let id = id_of(&path)?.ok_or_else(|| StoreError::Fenced { place: place(&path) })?;
        let conn = connect(&path).map_err(of_sqlite(&path))?;
        let mut database = Self { conn, path, id };
        database.fill_if_blank()?;
        database.set_wal()?;
        database.check_tables()?;
        // Once more: SQLite has opened the files in between, by their names.
        check_owner(&database.path)?;
        database.check_name()?;
        Ok(database)
    }

    /// Creates the tables, if there are none. A creation that was killed has been rolled back by now.
    fn fill_if_blank(&mut self) -> Result<(), StoreError> {
        let application = |conn: &Connection| -> rusqlite::Result<i64> {
            conn.pragma_query_value(None, "application_id", |row| row.get(0))
        };
        if application(&self.conn).map_err(of_sqlite(&self.path))? != 0 {
            return Ok(());
        }
        let begun = self.begin()?;
        // Unless another process was faster.
        if begun.run(application)? == 0 {
            begun.run(|conn| {
                conn.execute_batch(&format!(
                    "{SCHEMA} PRAGMA user_version = {FORMAT};
                     PRAGMA application_id = {APPLICATION};"
                ))
            })?;
        }
        begun.commit()
    }

    /// WAL: without it a commit would have to sync, or would not survive a kill.
    fn set_wal(&self) -> Result<(), StoreError> {
        let mode = self.conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
        let mode: String = mode.map_err(of_sqlite(&self.path))?;
        if mode == "wal" {
            return Ok(());
        }
        let why = format!("SQLite stays in journal mode {mode:?}; put it on a local disk");
        Err(StoreError::Rejected { place: place(&self.path), why })
    }

    fn check_tables(&self) -> Result<(), StoreError> {
        let (path, conn) = (&self.path, &self.conn);
        let tables = |conn: &Connection| -> rusqlite::Result<Vec<String>> {
            let mut statement =
                conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        };
        let look = || -> rusqlite::Result<Option<String>> {
            let expected = Connection::open_in_memory()?;
            expected.execute_batch(SCHEMA)?;
            if tables(conn)? != tables(&expected)? {
                return Ok(Some("it does not have the tables of a store of jobs".to_owned()));
            }
            let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            if pages > CHECKED_PAGES {
                return Ok(None);
            }
            let check = |row: &rusqlite::Row<'_>| row.get(0);
            let report: String = conn.query_row("PRAGMA integrity_check(1)", [], check)?;
            Ok((report != "ok").then_some(report))
        };
        match look().map_err(of_sqlite(path))? {
            Some(why) => Err(StoreError::damage(path, why)),
            None => Ok(()),
        }
    }

    /// Whether the file still has its name: SQLite would write into one that was removed.
    pub(super) fn check_name(&self) -> Result<(), StoreError> {
        match id_of(&self.path)? == Some(self.id) {
            true => Ok(()),
            false => Err(StoreError::Fenced { place: place(&self.path) }),
        }
    }

    /// Begins to write.
    pub(super) fn begin(&mut self) -> Result<Begun<'_>, StoreError> {
        self.check_name()?;
        let begun = self.conn.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(of_sqlite(&self.path))?;
        Ok(Begun { transaction, path: &self.path })
    }

    /// Whether transactions wait for the disk.
    pub(super) fn set_synced(&self, synced: bool) -> Result<(), StoreError> {
        let level = if synced { "FULL" } else { "NORMAL" };
        let set = self.conn.pragma_update(None, "synchronous", level);
        set.map_err(of_sqlite(&self.path))
    }

    /// Copies what is in the WAL into the database, if it has grown long. SQLite does that by itself too, in any
    /// commit, but then nobody hears of an error (G7).
    pub(super) fn checkpoint_if_due(&self) -> Result<(), StoreError> {
        let wal = with_suffix(&self.path, "-wal");
        let len = OsFs.lstat(&wal).map_err(HeldError::io("inspect", &wal))?.map_or(0, |it| it.len);
        if len < LONG_WAL { Ok(()) } else { self.checkpoint() }
    }

    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        // Another process that reads keeps it from being complete: the next one will be.
        let done = self.conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        match done.map_err(of_sqlite(&self.path)) {
            Err(StoreError::Busy { .. }) => Ok(()),
            result => result,
        }
    }

    /// The last connection leaves the WAL for the next run, instead of copying it.
    pub(super) fn leave_wal(&self) {
        // If it cannot be set, SQLite copies what it has, and removes the WAL only if that succeeded.
        let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}

/// Reads the database at `path`, which [`resolve`] gave, and changes nothing in it. `None`: there is none.
///
/// # Errors
/// As [`Database::open`], and those of `look`.
pub(super) fn peek<T>(
    path: &Path,
    look: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    check_owner(path)?;
    if id_of(path)?.is_none() {
        return Ok(None);
    }
    refuse_foreign(path)?;
    // Without a WAL everything is in the file, and SQLite need not create one to look.
    let immutable = if id_of(&with_suffix(path, "-wal"))?.is_some() { "" } else { "?immutable=1" };
    let url = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let open = || -> rusqlite::Result<Connection> {
        let conn = Connection::open_with_flags(format!("file:{url}{immutable}"), flags)?;
        conn.busy_timeout(PATIENCE)?;
        conn.execute_batch("PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;")?;
        Ok(conn)
    };
    let conn = open().map_err(of_sqlite(path))?;
    // One moment of the database for all that is read.
    conn.execute_batch("BEGIN").map_err(of_sqlite(path))?;
    look(&conn).map(Some)
}

/// A transaction; it is rolled back unless it is committed.
pub(super) struct Begun<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
}

impl Begun<'_> {
    pub(super) fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().map_err(of_sqlite(self.path))
    }

    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.transaction).map_err(of_sqlite(self.path))
    }
}

/// All files of the database are what this user's runs left.
fn check_owner(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let file = with_suffix(path, suffix);
        own::check(&OsFs, &file).map_err(|error| match error {
            OwnError::NotOurs(why) => HeldError::NotOurs { path: file.clone(), why },
            OwnError::Io(source) => HeldError::io("inspect", &file)(source),
            other => HeldError::io("inspect", &file)(std::io::Error::other(other)),
        })?;
    }
    Ok(())
}

fn id_of(path: &Path) -> Result<Option<FileId>, StoreError> {
    let stat = OsFs.lstat(path).map_err(HeldError::io("inspect", path))?;
    Ok(stat.map(|stat| stat.id))
}

/// An empty file is an empty database. Private, as SQLite then creates those beside it.
fn create_if_missing(path: &Path) -> Result<(), StoreError> {
    if id_of(path)?.is_some() {
        return Ok(());
    }
    match OsFs.open(path, Open::CreateNew { mode: 0o600 }) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            return Err(StoreError::ReadOnly { place: place(path) });
        }
        result => drop(result.map_err(HeldError::io("create", path))?),
    }
    let folder = parent_dir(path);
    Ok(OsFs.sync_dir(folder).map_err(HeldError::io("sync the directory of", path))?)
}

/// Refuses what is not ours, or newer: without locks, journals or anything else that would touch it or what is beside
/// it. What is looked at here is in the file itself before it has a WAL.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let url = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let look = || -> rusqlite::Result<(i64, i64, i64)> {
        let conn = Connection::open_with_flags(format!("file:{url}?immutable=1"), flags)?;
        // After a power cut the file may be shorter than its first page says: the rest is in the WAL, which is not
        // looked at here. Otherwise that is damage.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let tables = match application {
            0 => conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
            _ => 0,
        };
        Ok((application, version, tables))
    };
    let (application, version, tables) = look().map_err(of_sqlite(path))?;
    let place = place(path);
    let wal = with_suffix(path, "-wal");
    let has_wal = id_of(&wal)?.is_some();
    match (application, version) {
        (0, 0) if tables == 0 && !has_wal => Ok(()),
        (APPLICATION, FORMAT) => Ok(()),
        (APPLICATION, FORMAT..) => {
            let found = u16::try_from(version).unwrap_or(u16::MAX);
            Err(StoreError::Newer { place, found })
        }
        (APPLICATION, _) => {
            Err(StoreError::damage(path, format_args!("format {version} does not exist")))
        }
        _ => Err(StoreError::Foreign { place }),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(PATIENCE)?;
    conn.execute_batch(
        "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = 0; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL;",
    )?;
    Ok(conn)
}
