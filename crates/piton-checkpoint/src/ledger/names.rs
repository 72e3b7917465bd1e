//! Which item a file name belongs to, so that two items never write one file and each keeps its name in
//! the next run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use crate::Bloom;

use super::error::{LedgerError, StoreError};
use super::outcome::Key;
use super::row::{halves, whole};
use super::schema::{self, Access, Connected};

const CACHE_KIB: u32 = 1 << 10;
/// With this many uncommitted names, a commit is requested even without an outcome (G8). Names come
/// in random order, so that a few touch as many pages as many do.
const MANY: usize = 1 << 18;

/// The filter of a new ledger: until it has some hundred thousand names, hardly any claim is looked up.
const SMALL_FILTER: usize = 1 << 19;
/// The filter of [`Names::expect_many`]: at ten million names, one claim in twenty is looked up in vain.
const FILTER: usize = 8 << 20;

/// Names (their hashes, as the table has them) and the items to which they belong, in the order of the
/// table: so each page of it is written once.
pub(super) type PendingNames = BTreeMap<i64, Key>;

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The name belongs to the item that claimed it, since now or before.
    Claimed,
    /// It belongs to this one.
    TakenBy(Key),
}

/// Answers claims at once, from memory and a connection of its own; the owner of the ledger writes them
/// with the next group.
pub(super) struct Names {
    path: PathBuf,
    book: Mutex<NameTable>,
}

struct NameTable {
    /// `None` once the ledger is closed.
    conn: Option<Connected>,
    /// Claimed since the last commit began.
    given: PendingNames,
    /// Being committed.
    committing: Arc<PendingNames>,
    /// All names: if the ledger had none when it was opened, or if many claims are expected.
    known: Option<Bloom>,
}

impl Names {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let conn = schema::connect(path, Access::Read, CACHE_KIB)?;
        let is_new = is_empty(&conn).map_err(StoreError::Sql).map_err(StoreError::at(path))?;
        let known = is_new.then(|| Bloom::new(SMALL_FILTER));
        let (given, committing) = Default::default();
        let book = Mutex::new(NameTable { conn: Some(conn), given, committing, known });
        Ok(Self { path: path.to_owned(), book })
    }

    /// From now on, most claims of names that nobody has are answered without reading a row.
    pub(super) fn expect_many(&self) -> Result<(), LedgerError> {
        let mut book = self.book();
        let NameTable { conn: Some(conn), given, committing, known } = &mut *book else {
            return Err(LedgerError::Closed { path: self.path.clone() });
        };
        let mut filter = Bloom::new(FILTER);
        let mut add = |name: i64| _ = filter.insert(name.cast_unsigned());
        each_name(conn, &mut add).map_err(StoreError::Sql).map_err(StoreError::at(&self.path))?;
        given.keys().chain(committing.keys()).copied().for_each(add);
        *known = Some(filter);
        Ok(())
    }

    /// The answer, and whether it is time for a commit.
    pub(super) fn claim(&self, name: u64, key: &Key) -> Result<(Claim, bool), LedgerError> {
        let mut book = self.book();
        let NameTable { conn: Some(conn), given, committing, known } = &mut *book else {
            return Err(LedgerError::Closed { path: self.path.clone() });
        };
        let may_be_known = known.as_mut().is_none_or(|known| known.insert(name));
        let name = name.cast_signed();
        let owner = match given.get(&name).or_else(|| committing.get(&name)) {
            _ if !may_be_known => None,
            Some(owner) => Some(*owner),
            None => {
                find(conn, name).map_err(StoreError::Sql).map_err(StoreError::at(&self.path))?
            }
        };
        match owner {
            Some(owner) if owner != *key => return Ok((Claim::TakenBy(owner), false)),
            Some(_) => return Ok((Claim::Claimed, false)),
            None => given.insert(name, *key),
        };
        Ok((Claim::Claimed, given.len() % MANY == 0))
    }

    /// Whether all is committed.
    pub(super) fn is_empty(&self) -> bool {
        let book = self.book();
        book.given.is_empty() && book.committing.is_empty()
    }

    /// What is not committed, to be committed now.
    pub(super) fn pending(&self) -> Arc<PendingNames> {
        let mut book = self.book();
        let mut given = std::mem::take(&mut book.given);
        // Left over if the last commit failed.
        given.extend(book.committing.iter().map(|(name, key)| (*name, *key)));
        book.committing = Arc::new(given);
        Arc::clone(&book.committing)
    }

    /// What [`Names::pending`] gave is committed now. It is dropped from memory only after that, so a claim
    /// always finds it, here or there.
    pub(super) fn committed(&self) {
        self.book().committing = Arc::default();
    }

    /// Closes the connection, so that the one of the owner is the last.
    pub(super) fn close(&self) {
        self.book().conn = None;
    }

    fn book(&self) -> MutexGuard<'_, NameTable> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT NOT EXISTS(SELECT 1 FROM names)", [], |row| row.get(0))
}

fn find(conn: &Connection, name: i64) -> rusqlite::Result<Option<Key>> {
    conn.prepare_cached("SELECT head, tail FROM names WHERE name = ?1")?
        .query_row([name], |row| Ok(whole(row.get(0)?, row.get(1)?)))
        .optional()
}

fn each_name(conn: &Connection, each: &mut impl FnMut(i64)) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT name FROM names")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?);
    }
    Ok(())
}

pub(super) fn put_names(conn: &Connection, names: &PendingNames) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached("INSERT OR IGNORE INTO names VALUES (?1, ?2, ?3)")?;
    for (name, key) in names {
        let (head, tail) = halves(key);
        statement.execute([*name, head, tail])?;
    }
    Ok(())
}
