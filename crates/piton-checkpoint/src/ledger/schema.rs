//! The tables, how a ledger is created, and whether a file is one.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use piton_durable::fs::{Existing, Fs, Open, OsFs, parent_dir, read_full_at, with_suffix};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{LedgerError, StoreError};
use super::ours;

/// "PITL", in the header of the database.
const APPLICATION: i64 = 0x5049_544c;
/// The format of the tables; a newer one is left alone.
const FORMAT: i64 = 1;
/// How long to wait for another process, which holds locks only for moments.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ledgers of at most this many pages are checked as a whole when they are opened; that takes some
/// milliseconds. In larger ones only the checksums of rows are checked.
const CHECKED_PAGES: i64 = 2_000;

/// Where the header of a database has the format versions for writing and reading, and the version of a
/// database with a WAL.
const VERSIONS_AT: u64 = 18;
const WAL_VERSION: u8 = 2;

/// `docs/ledger-format.md` explains each.
const SCHEMA: &str = "
CREATE TABLE ledger(number INTEGER NOT NULL);
CREATE TABLE items(
  id INTEGER PRIMARY KEY,
  head INTEGER NOT NULL, tail INTEGER NOT NULL,
  state INTEGER NOT NULL, class INTEGER NOT NULL, host INTEGER NOT NULL,
  attempts INTEGER NOT NULL, interruptions INTEGER NOT NULL, at INTEGER NOT NULL,
  size INTEGER, bytes INTEGER, took INTEGER NOT NULL,
  digest TEXT, detail TEXT, path TEXT,
  crc INTEGER NOT NULL);
CREATE INDEX items_by_key ON items(head);
CREATE INDEX items_not_done ON items(state, class) WHERE state <> 0;
CREATE TABLE classes(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE totals(
  state INTEGER NOT NULL, class INTEGER NOT NULL,
  items INTEGER NOT NULL, bytes INTEGER NOT NULL, took INTEGER NOT NULL,
  PRIMARY KEY(state, class)) WITHOUT ROWID;
CREATE TABLE hosts(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  done INTEGER NOT NULL, failed INTEGER NOT NULL, bytes INTEGER NOT NULL, took INTEGER NOT NULL);
CREATE INDEX hosts_by_failed ON hosts(failed) WHERE failed > 0;
CREATE TABLE minutes(
  minute INTEGER PRIMARY KEY,
  done INTEGER NOT NULL, failed INTEGER NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE runs(
  id INTEGER PRIMARY KEY, began INTEGER NOT NULL, ended INTEGER,
  list TEXT NOT NULL, fingerprint BLOB NOT NULL, options TEXT NOT NULL);
CREATE TABLE names(name INTEGER PRIMARY KEY, head INTEGER NOT NULL, tail INTEGER NOT NULL);
";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// A connection to a ledger. Dropped, it removes the WAL and the shared memory if it is the last one and
/// the WAL is empty; the next owner takes what a killed one left in a WAL.
pub(super) struct Connected {
    conn: Connection,
    path: PathBuf,
}

/// Connects to the ledger at `path`, having checked that it is one, and ours. Writes nothing.
pub(super) fn connect(
    path: &Path,
    access: Access,
    cache_kib: u32,
) -> Result<Connected, LedgerError> {
    ours::check(path)?;
    // SQLite falls back to reading if it may not write. A reader writes if it can: it may have to
    // create and remove the shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connected = (|| {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.busy_timeout(PATIENCE)?;
        conn.set_prepared_statement_cache_capacity(32);
        let connected = Connected { conn, path: path.to_owned() };
        connected.execute_batch(&format!(
            "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;
             PRAGMA mmap_size = 0; PRAGMA cache_size = -{cache_kib};"
        ))?;
        if access == Access::Read {
            connected.execute_batch("PRAGMA query_only = ON;")?;
        }
        Ok(connected)
    })()
    .map_err(StoreError::Sql)
    .map_err(StoreError::at(path))?;
    check(&connected, path, access)?;
    // Once more: SQLite has opened the files in between.
    ours::check(path)?;
    Ok(connected)
}

impl Deref for Connected {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Connected {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let wal = OsFs.stat(&with_suffix(&self.path, "-wal"));
        if wal.is_ok_and(|wal| wal.is_none_or(|wal| wal.len == 0)) {
            // Otherwise empty files stay beside the ledger, which the next owner reuses.
            let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
    }
}

/// Whether these are the tables that this program knows, and not obviously damaged ones.
fn check(conn: &Connection, path: &Path, access: Access) -> Result<(), LedgerError> {
    let number = |pragma: &str| -> Result<i64, LedgerError> {
        conn.pragma_query_value(None, pragma, |row| row.get(0))
            .map_err(StoreError::Sql)
            .map_err(StoreError::at(path))
    };
    if number("application_id")? != APPLICATION {
        return Err(LedgerError::Foreign { path: path.to_owned() });
    }
    match number("user_version")? {
        FORMAT => {}
        found if found > FORMAT => {
            return Err(LedgerError::NewerFormat { path: path.to_owned(), found });
        }
        found => {
            let why = format!("format {found} does not exist");
            return Err(LedgerError::Damaged { path: path.to_owned(), why });
        }
    }
    let sound = || -> Result<(), StoreError> {
        let expected = Connection::open_in_memory()?;
        expected.execute_batch(SCHEMA)?;
        if tables(conn)? != tables(&expected)? {
            return Err(StoreError::Damaged("it does not have the tables of a ledger".to_owned()));
        }
        // In another mode SQLite would create journals beside it, and a kill would leave one.
        let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode != "wal" {
            return Err(StoreError::Damaged(format!(
                "its journal is in mode {mode:?}, not \"wal\""
            )));
        }
        // Readers come while a large run writes; its owner has checked it.
        if access == Access::Write {
            let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            if pages <= CHECKED_PAGES {
                let report: String =
                    conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
                if report != "ok" {
                    return Err(StoreError::Damaged(report));
                }
            }
        }
        Ok(())
    };
    sound().map_err(StoreError::at(path))
}

fn tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Creates an empty ledger at `path`, which must not exist: under a temporary name, synced, renamed, the
/// directory synced. The caller holds the lock.
pub(super) fn create(fs: &dyn Fs, path: &Path, number: u64) -> Result<(), LedgerError> {
    let temporary = with_suffix(path, ".tmp");
    // What a kill left.
    sweep(fs, &temporary)?;
    let file = fs
        .open(&temporary, Open::CreateNew { mode: 0o600 })
        .map_err(LedgerError::io("create", &temporary))?;
    let settled = (|| {
        let mode =
            fill(&temporary, number).map_err(StoreError::Sql).map_err(StoreError::at(path))?;
        if mode != "wal" {
            let why = format!("SQLite stays in journal mode \"{mode}\"");
            return Err(LedgerError::NoSharedMemory { path: path.to_owned(), why });
        }
        // SQLite reports that even if the write failed.
        let mut versions = [0; 2];
        let read = read_full_at(&*file, &mut versions, VERSIONS_AT);
        if read.map_err(LedgerError::io("read", &temporary))? < 2 || versions != [WAL_VERSION; 2] {
            let lost = std::io::Error::other("a write was lost");
            return Err(LedgerError::io("write", &temporary)(lost));
        }
        file.sync_all().map_err(LedgerError::io("sync", &temporary))?;
        // SQLite opened it by its name. Only the file that was created and synced here is renamed.
        let created = file.stat().map_err(LedgerError::io("inspect", &temporary))?;
        let named = fs.lstat(&temporary).map_err(LedgerError::io("inspect", &temporary))?;
        if named.is_none_or(|named| named.id != created.id) {
            let exchanged = std::io::Error::other("another program removed or replaced it");
            return Err(LedgerError::io("create", &temporary)(exchanged));
        }
        fs.rename(&temporary, path, Existing::Keep).map_err(LedgerError::io("create", path))
    })();
    if settled.is_err() {
        // The first error matters more. The next creation of a ledger here removes a leftover.
        let _ = sweep(fs, &temporary);
    }
    settled?;
    fs.sync_dir(parent_dir(path)).map_err(LedgerError::io("sync the directory of", path))
}

/// Returns the mode of the journal that SQLite agreed to.
fn fill(path: &Path, number: u64) -> rusqlite::Result<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.execute_batch(&format!(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;
         PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; BEGIN; {SCHEMA}"
    ))?;
    conn.execute("INSERT INTO ledger VALUES (?1)", [number.cast_signed()])?;
    conn.execute_batch("COMMIT")?;
    let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    conn.close().map_err(|(_, error)| error)?;
    Ok(mode)
}

/// Removes a database and the files of SQLite beside it, if this user may remove them.
fn sweep(fs: &dyn Fs, path: &Path) -> Result<(), LedgerError> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let leftover = with_suffix(path, suffix);
        ours::check_sweepable(&leftover)?;
        match fs.remove(&leftover) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            result => result.map_err(LedgerError::io("remove", &leftover))?,
        }
    }
    Ok(())
}
