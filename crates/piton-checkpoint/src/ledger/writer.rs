//! What is written, a group at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use piton_durable::fs::{Fs, Open, read_full_at, with_suffix, write_all_at};
use rusqlite::{Connection, TransactionBehavior};

use crate::Bloom;

use super::dictionary::Dictionary;
use super::error::{LedgerError, StoreError};
use super::flight::Entry;
use super::names::{Names, put_names};
use super::outcome::{Found, Key, Outcome, State, cut_detail};
use super::row::{Row, column, halves};
use super::runs::{Run, RunId, begin_run, end_run};
use super::schema::{self, Access, Connected};
use super::tally::Tally;
use super::{Durability, QUARANTINE_AFTER, Recovered};

/// The page cache. A group that changes more spills into the WAL, which is where it goes anyway.
const CACHE_KIB: u32 = 8 << 10;
/// The page cache if many new items are expected: their keys touch all of the index.
const CACHE_KIB_OF_MANY: i32 = 24 << 10;
/// The WAL is written into the ledger when it has this many pages (of 4 KiB).
const CHECKPOINT_PAGES: i32 = 1_000;
/// The filter of [`LedgerWrite::ManyExpected`]: at ten million, one new item in twenty is looked up in vain.
const FILTER: usize = 8 << 20;
/// Longer ones are read and written piece by piece.
const PIECE: usize = 1 << 20;

/// One thing to write.
pub(super) enum LedgerWrite {
    Outcome(Outcome),
    /// All items of this iterator, at this time.
    Found(Box<dyn Iterator<Item = Found> + Send>, u64),
    /// Nothing yet, but many new items will follow.
    ManyExpected,
    RunBegun(RunId, Run),
    RunEnded(RunId, u64),
    /// Only the names that [`Names`] has collected.
    Names,
}

/// The connection that writes; there is one, on the thread that owns the ledger.
pub(super) struct Writer {
    path: PathBuf,
    conn: Connected,
    hosts: Dictionary,
    classes: Dictionary,
    /// The first halves of all keys, if many new items are expected.
    known: Option<Bloom>,
    wal_pages: Arc<AtomicI32>,
    /// The next attempt to write the WAL into the ledger comes at so many pages.
    due: i32,
}

impl Writer {
    /// Opens the ledger for writing; the caller holds the lock.
    pub(super) fn open(
        fs: &dyn Fs,
        path: &Path,
        durability: Durability,
    ) -> Result<Self, LedgerError> {
        let mut conn = schema::connect(path, Access::Write, CACHE_KIB)?;
        if durability == Durability::Power {
            write_again(fs, &with_suffix(path, "-wal"))?;
        }
        let synchronous = match durability {
            Durability::Power => "FULL",
            // Syncs before and after the WAL goes into the ledger, never at a commit: a power cut costs
            // only the last commits.
            Durability::Process => "NORMAL",
        };
        let wal_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&wal_pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        };
        (|| {
            conn.pragma_update(None, "synchronous", synchronous)?;
            // Instead of SQLite's own, which would make callers wait and lose its errors.
            conn.wal_hook(Some(hook))?;
            // Moves what a killed run left into the ledger; a reader may hold some of it back.
            conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        })()
        .map_err(StoreError::Sql)
        .map_err(StoreError::at(path))?;
        Ok(Self {
            path: path.to_owned(),
            conn,
            hosts: Dictionary::of_hosts(),
            classes: Dictionary::of_classes(),
            known: None,
            wal_pages,
            due: CHECKPOINT_PAGES,
        })
    }

    /// The random number that the ledger and its flight recorder have in common.
    pub(super) fn number(&self) -> Result<u64, LedgerError> {
        let number = self.conn.query_row("SELECT number FROM ledger", [], |row| row.get(0));
        number.map(i64::cast_unsigned).map_err(StoreError::Sql).map_err(StoreError::at(&self.path))
    }

    /// The number of the next run.
    pub(super) fn next_run(&self) -> Result<RunId, LedgerError> {
        let last =
            self.conn.query_row("SELECT coalesce(max(id), 0) FROM runs", [], |row| row.get(0));
        let last: i64 = last.map_err(StoreError::Sql).map_err(StoreError::at(&self.path))?;
        Ok(RunId(last.saturating_add(1)))
    }

    /// Writes a group, and the names that were given by then: all of it, or after an error nothing.
    /// With [`Durability::Power`] all has been synced when this returns.
    pub(super) fn write(
        &mut self,
        entered: Vec<LedgerWrite>,
        names: &Names,
    ) -> Result<(), LedgerError> {
        self.transaction(|to| {
            for entry in entered {
                match entry {
                    LedgerWrite::Outcome(outcome) => to.outcome(outcome)?,
                    LedgerWrite::Found(mut found, at) => {
                        found.try_for_each(|found| to.found(found, at))?;
                    }
                    LedgerWrite::ManyExpected => to.expect_many()?,
                    LedgerWrite::RunBegun(id, run) => begin_run(to.conn, id, &run)?,
                    LedgerWrite::RunEnded(id, at) => end_run(to.conn, id, at)?,
                    LedgerWrite::Names => {}
                }
            }
            // Last: an outcome that is written here may belong to a name that was claimed meanwhile.
            Ok(put_names(to.conn, &names.pending())?)
        })
    }

    /// Items that were in flight when the last owner was killed.
    pub(super) fn interrupted(
        &mut self,
        entries: &[Entry],
        now: u64,
    ) -> Result<Recovered, LedgerError> {
        let mut recovered = Recovered::default();
        if entries.is_empty() {
            return Ok(recovered);
        }
        self.transaction(|to| {
            for entry in entries {
                match to.interrupted(entry, now)? {
                    Some(State::Quarantined) => recovered.quarantined += 1,
                    Some(_) => recovered.interrupted += 1,
                    None => {}
                }
            }
            Ok(())
        })?;
        Ok(recovered)
    }

    fn transaction(
        &mut self,
        write: impl FnOnce(&mut WriteGroup<'_>) -> Result<(), StoreError>,
    ) -> Result<(), LedgerError> {
        let Self { path, conn, hosts, classes, known, .. } = self;
        let written = (|| {
            let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let tally = Tally::default();
            let (hosts, classes) = (&mut *hosts, &mut *classes);
            let mut group = WriteGroup { conn: &transaction, hosts, classes, known, tally };
            write(&mut group)?;
            group.tally.write(&transaction)?;
            Ok(transaction.commit()?)
        })();
        if written.is_err() {
            hosts.forget();
            classes.forget();
        }
        written.map_err(StoreError::at(path))
    }

    /// Writes the WAL into the ledger if it has grown enough. Comes after the group was acknowledged.
    pub(super) fn checkpoint_if_due(&mut self) -> Result<(), LedgerError> {
        if self.wal_pages.load(Ordering::Relaxed) < self.due {
            return Ok(());
        }
        let (pages, moved): (i32, i32) = self
            .conn
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
            .map_err(StoreError::Sql)
            .map_err(StoreError::at(&self.path))?;
        // Readers may keep the WAL from starting over; it has to grow again before the next attempt.
        let kept = if moved < pages { pages } else { 0 };
        self.due = kept.saturating_add(CHECKPOINT_PAGES);
        Ok(())
    }

    /// Moves everything into the ledger and removes the WAL. If a reader is active, it stays for the next
    /// owner.
    pub(super) fn close(self) -> Result<(), LedgerError> {
        let emptied = (|| {
            // Do not wait for readers.
            self.conn.busy_timeout(Duration::ZERO)?;
            self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })();
        emptied.map_err(StoreError::Sql).map_err(StoreError::at(&self.path))
    }
}

/// A transaction.
struct WriteGroup<'a> {
    conn: &'a Connection,
    hosts: &'a mut Dictionary,
    classes: &'a mut Dictionary,
    known: &'a mut Option<Bloom>,
    tally: Tally,
}

impl WriteGroup<'_> {
    /// From now on, most new items are not looked up. What is undone with a group stays in the
    /// filter, and costs a lookup.
    fn expect_many(&mut self) -> Result<(), StoreError> {
        let mut known = Bloom::new(FILTER);
        let mut statement = self.conn.prepare("SELECT head FROM items")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            known.insert(row.get::<_, i64>(0)?.cast_unsigned());
        }
        *self.known = Some(known);
        Ok(self.conn.pragma_update(None, "cache_size", -CACHE_KIB_OF_MANY)?)
    }

    /// The row of an item, if there is one.
    fn find(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        let is_new = |known: &Bloom| !known.contains(halves(key).0.cast_unsigned());
        match self.known.as_ref().is_some_and(is_new) {
            true => Ok(None),
            false => Row::find(self.conn, key),
        }
    }

    fn outcome(&mut self, outcome: Outcome) -> Result<(), StoreError> {
        let old = self.find(&outcome.key)?;
        let class = outcome.class.as_ref().map(super::ErrorClass::as_str);
        let new = Row {
            id: 0,
            key: outcome.key,
            state: outcome.state,
            class: self.classes.number(self.conn, class)?,
            host: self.hosts.number(self.conn, outcome.host.as_deref())?,
            attempts: outcome.attempts,
            interruptions: 0,
            at: column(outcome.at),
            size: outcome.size.map(column),
            bytes: column(outcome.bytes),
            took: column(outcome.took),
            digest: outcome.digest,
            detail: outcome.detail.as_deref().map(|detail| cut_detail(detail).to_owned()),
            path: outcome.path,
        };
        self.tally.ended(&new);
        self.put(old, new)
    }

    fn found(&mut self, found: Found, at: u64) -> Result<(), StoreError> {
        let old = self.find(&found.key)?;
        let new = Row {
            id: 0,
            key: found.key,
            state: State::Done,
            class: 0,
            host: 0,
            attempts: old.as_ref().map_or(0, |old| old.attempts),
            interruptions: 0,
            at: column(at),
            size: found.size.map(column),
            bytes: 0,
            took: 0,
            digest: None,
            detail: None,
            path: found.path.map(String::from),
        };
        self.put(old, new)
    }

    /// `None`: the item did end, in that try or in a later one.
    fn interrupted(&mut self, entry: &Entry, now: u64) -> Result<Option<State>, StoreError> {
        let old = self.find(&entry.key)?;
        if old.as_ref().is_some_and(|old| old.attempts >= entry.attempt) {
            return Ok(None);
        }
        // A try that ended in the dead run, or nearly did, shows that this item does not kill the process: the
        // count starts again.
        let in_a_row = |old: &&Row| entry.attempt <= old.attempts.saturating_add(1);
        let before = old.as_ref().filter(in_a_row).map_or(0, |old| old.interruptions);
        let interruptions = if entry.harmless { 0 } else { before.saturating_add(1) };
        let state = match interruptions >= QUARANTINE_AFTER {
            true => State::Quarantined,
            false => State::Interrupted,
        };
        let new = Row {
            id: 0,
            key: entry.key,
            state,
            class: 0,
            host: old.as_ref().map_or(0, |old| old.host),
            attempts: entry.attempt,
            interruptions,
            at: column(now),
            size: old.as_ref().and_then(|old| old.size),
            bytes: old.as_ref().map_or(0, |old| old.bytes),
            took: old.as_ref().map_or(0, |old| old.took),
            digest: None,
            detail: None,
            path: old.as_ref().and_then(|old| old.path.clone()),
        };
        self.put(old, new)?;
        Ok(Some(state))
    }

    fn put(&mut self, old: Option<Row>, new: Row) -> Result<(), StoreError> {
        self.tally.replace(old.as_ref(), &new);
        match old {
            Some(old) => Row { id: old.id, ..new }.update(self.conn)?,
            None => {
                if let Some(known) = self.known {
                    known.insert(halves(&new.key).0.cast_unsigned());
                }
                new.insert(self.conn)?;
            }
        }
        Ok(())
    }
}

/// Writes a WAL that an earlier run left again, in its place, and syncs it. If a sync of that run
/// failed, the system shows its pages and counts them as written, while the disk does not have them;
/// what is committed now would follow a gap.
fn write_again(fs: &dyn Fs, wal: &Path) -> Result<(), LedgerError> {
    if fs.stat(wal).map_err(LedgerError::io("inspect", wal))?.is_none_or(|stat| stat.len == 0) {
        return Ok(());
    }
    let file = fs.open(wal, Open::ReadWrite).map_err(LedgerError::io("open", wal))?;
    let mut piece = vec![0; PIECE];
    let mut offset = 0;
    loop {
        let read =
            read_full_at(&*file, &mut piece, offset).map_err(LedgerError::io("read", wal))?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        write_all_at(&*file, bytes, offset).map_err(LedgerError::io("write", wal))?;
        offset = offset.saturating_add(read as u64);
    }
    file.sync_data()
        .map_err(|error| LedgerError::Sync { path: wal.to_owned(), why: error.to_string() })
}
