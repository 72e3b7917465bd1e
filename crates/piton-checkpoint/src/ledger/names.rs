//! Which item a file name belongs to, so that two items never write one file and each keeps its name in
//! the next run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::error::{Fault, LedgerError};
use super::outcome::Key;
use super::row::{halves, whole};
use super::schema::{self, Access, Connected};

const CACHE_KIB: u32 = 1 << 10;
/// With so many that are not committed, a commit is asked for though there is no outcome (G8). Names come
/// in random order, so that a few of them touch as many pages as many do. Of a ledger with fewer names
/// all are in memory.
const MANY: usize = 1 << 18;

/// A name (its hash) and the item to which it belongs.
pub(super) type Name = (u64, Key);

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The name belongs to the item that claimed it, now or before.
    Claimed,
    /// It belongs to this one.
    TakenBy(Key),
}

/// Answers claims at once, from memory and a connection of its own; the owner of the ledger writes them
/// with the next group.
pub(super) struct Names {
    path: PathBuf,
    book: Mutex<Book>,
}

struct Book {
    /// `None` once the ledger is closed.
    conn: Option<Connected>,
    /// Those that are not committed, and with `complete` all others.
    known: HashMap<u64, Key>,
    /// Those that are not committed.
    given: Vec<Name>,
    /// There are so few names that none has to be looked up.
    complete: bool,
}

impl Names {
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        let conn = schema::connect(path, Access::Read, CACHE_KIB)?;
        let complete = is_empty(&conn).map_err(Fault::Sql).map_err(Fault::at(path))?;
        let book = Book { conn: Some(conn), known: HashMap::new(), given: Vec::new(), complete };
        Ok(Self { path: path.to_owned(), book: Mutex::new(book) })
    }

    /// The answer, and whether it is time for a commit.
    pub(super) fn claim(&self, name: u64, key: &Key) -> Result<(Claim, bool), LedgerError> {
        let mut book = self.book();
        let Book { conn: Some(conn), known, given, complete } = &mut *book else {
            return Err(LedgerError::Closed { path: self.path.clone() });
        };
        let owner = match known.get(&name) {
            Some(owner) => Some(*owner),
            None if *complete => None,
            None => find(conn, name).map_err(Fault::Sql).map_err(Fault::at(&self.path))?,
        };
        match owner {
            Some(owner) if owner != *key => return Ok((Claim::TakenBy(owner), false)),
            Some(_) => return Ok((Claim::Claimed, false)),
            None => known.insert(name, *key),
        };
        given.push((name, *key));
        Ok((Claim::Claimed, given.len() % MANY == 0))
    }

    /// Whether some are not committed.
    pub(super) fn are_waiting(&self) -> bool {
        !self.book().given.is_empty()
    }

    /// What is not committed, in the order of the table: each page of it is then written once.
    pub(super) fn given(&self) -> Vec<Name> {
        let mut given = self.book().given.clone();
        given.sort_unstable_by_key(|(name, _)| name.cast_signed());
        given
    }

    /// These, which are all that were given at some moment, are committed now. A claim always finds
    /// them: here as long as there are few, or there.
    pub(super) fn committed(&self, names: &[Name]) {
        let mut book = self.book();
        let Book { known, given, complete, .. } = &mut *book;
        given.drain(..names.len().min(given.len()));
        if !*complete {
            for (name, _) in names {
                known.remove(name);
            }
        } else if known.len() > MANY {
            *complete = false;
            *known = given.iter().copied().collect();
        }
    }

    /// Lets go of the ledger, so that its owner is the last.
    pub(super) fn close(&self) {
        self.book().conn = None;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_empty(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT NOT EXISTS(SELECT 1 FROM names)", [], |row| row.get(0))
}

fn find(conn: &Connection, name: u64) -> rusqlite::Result<Option<Key>> {
    conn.prepare_cached("SELECT head, tail FROM names WHERE name = ?1")?
        .query_row([name.cast_signed()], |row| Ok(whole(row.get(0)?, row.get(1)?)))
        .optional()
}

pub(super) fn put_name(conn: &Connection, (name, key): &Name) -> rusqlite::Result<()> {
    let (head, tail) = halves(key);
    conn.prepare_cached("INSERT OR IGNORE INTO names VALUES (?1, ?2, ?3)")?.execute([
        name.cast_signed(),
        head,
        tail,
    ])?;
    Ok(())
}
