//! Reading a ledger, even while another process writes it.

mod totals;
mod window;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use piton_durable::fs::{Fs, OsFs};
use rusqlite::Connection;

pub use totals::{ClassTotal, Count, HostTotal, Rate, Totals};

use super::error::{LedgerError, StoreError};
use super::outcome::{ErrorClass, Key, Known, State, cut_detail};
use super::row::{Row, columns, count};
use super::runs::{PastRun, last_runs};
use super::schema::{self, Access, Connected};
use window::RowWindow;

const CACHE_KIB: u32 = 4 << 10;
/// Rows that are read in one go where many are listed: the ledger's WAL can start over in between.
const BATCH: u32 = 1_000;
/// This many class names are remembered; there are some dozens.
const REMEMBERED: usize = 1_024;

/// A connection that reads a ledger. Takes no lock, and shows what was committed.
pub struct Reader {
    path: PathBuf,
    conn: Connected,
    window: RowWindow,
    classes: HashMap<i64, ErrorClass>,
}

/// Which items [`Reader::failures`] lists.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    /// Items in these states; if empty, all that are not [`State::Done`].
    pub states: Vec<State>,
    /// Items with these classes of failure; if empty, any.
    pub classes: Vec<ErrorClass>,
}

impl Reader {
    /// Opens the ledger at `path` to read it, whether or not a process has it open.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], [`LedgerError::Foreign`], [`LedgerError::NewerFormat`],
    /// [`LedgerError::Damaged`], [`LedgerError::Busy`].
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let path = super::open::resolve(path)?;
        match OsFs.stat(&path).map_err(LedgerError::io("inspect", &path))? {
            None => return Err(LedgerError::Missing { path }),
            Some(stat) if stat.len == 0 => {
                return Err(LedgerError::Damaged { path, why: "it is empty".to_owned() });
            }
            Some(_) => {}
        }
        let conn = schema::connect(&path, Access::Read, CACHE_KIB)?;
        Ok(Self { path, conn, window: RowWindow::default(), classes: HashMap::new() })
    }

    /// Whether the ledger has no item.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub fn is_empty(&self) -> Result<bool, LedgerError> {
        let any = self.conn.query_row("SELECT EXISTS(SELECT 1 FROM items)", [], |row| row.get(0));
        any.map(|any: bool| !any).map_err(StoreError::Sql).map_err(StoreError::at(&self.path))
    }

    /// What is known about an item; `None` if it was never begun.
    ///
    /// This is fastest for items in about the order in which they first ended: rows are read ahead, so the
    /// first answer for an item may be as old as the answer for one some thousand rows before it. Look an item
    /// up before it is begun.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] if the row does not agree with its checksum (G3); and errors of SQLite.
    pub fn lookup(&mut self, key: &Key) -> Result<Option<Known>, LedgerError> {
        let row = self.window.take(&self.conn, key).map_err(StoreError::at(&self.path))?;
        row.map(|row| self.known(row)).transpose()
    }

    /// Calls `each` for the items that are not done, of each state and class in the order of their first
    /// outcome, until it breaks. An item that changes meanwhile is shown once, not at all, or twice
    /// with different states.
    ///
    /// # Errors
    /// As [`Reader::lookup`].
    pub fn failures(
        &mut self,
        filter: &Failures,
        mut each: impl FnMut(Known) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        for total in self.by_class()? {
            let of_state = filter.states.is_empty() || filter.states.contains(&total.state);
            let of_class = filter.classes.is_empty()
                || total.class.as_ref().is_some_and(|class| filter.classes.contains(class));
            if total.state == State::Done || !of_state || !of_class {
                continue;
            }
            let mut after = 0;
            loop {
                let rows = batch(&self.conn, &total, after).map_err(StoreError::at(&self.path))?;
                let Some(last) = rows.last() else { break };
                after = last.id;
                for row in rows {
                    if each(self.known(row)?).is_break() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// How many items are in each state.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub fn totals(&self) -> Result<Totals, LedgerError> {
        totals::totals(&self.conn).map_err(StoreError::at(&self.path))
    }

    /// How many items are in each state with each class, the most frequent first; done ones have no class.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub fn by_class(&self) -> Result<Vec<ClassTotal>, LedgerError> {
        totals::by_class(&self.conn).map_err(StoreError::at(&self.path))
    }

    /// At most `most` hosts with failed items, those with the most failures first.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub fn worst_hosts(&self, most: u32) -> Result<Vec<HostTotal>, LedgerError> {
        totals::worst_hosts(&self.conn, most)
            .map_err(StoreError::Sql)
            .map_err(StoreError::at(&self.path))
    }

    /// What ended in the last `minutes` (at most 60), the current one included; `now`
    /// is in milliseconds since 1970.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub fn rate(&self, now: u64, minutes: u32) -> Result<Rate, LedgerError> {
        totals::rate(&self.conn, now, minutes)
            .map_err(StoreError::Sql)
            .map_err(StoreError::at(&self.path))
    }

    /// The last `most` runs, the last one first.
    ///
    /// # Errors
    /// Errors of SQLite.
    pub fn runs(&self, most: u32) -> Result<Vec<PastRun>, LedgerError> {
        last_runs(&self.conn, most).map_err(StoreError::Sql).map_err(StoreError::at(&self.path))
    }

    fn known(&mut self, row: Row) -> Result<Known, LedgerError> {
        let class = match row.class {
            0 => None,
            number => Some(self.class(number).map_err(StoreError::at(&self.path))?),
        };
        Ok(Known {
            key: row.key,
            state: row.state,
            attempts: row.attempts,
            interruptions: row.interruptions,
            at: count(row.at),
            size: row.size.map(count),
            bytes: count(row.bytes),
            took: count(row.took),
            digest: row.digest,
            class,
            // Cut as when it is written.
            detail: row.detail.as_deref().map(|detail| cut_detail(detail).to_owned()),
            path: row.path,
        })
    }

    fn class(&mut self, number: i64) -> Result<ErrorClass, StoreError> {
        if let Some(class) = self.classes.get(&number) {
            return Ok(class.clone());
        }
        let class = totals::class(&self.conn, number)?;
        if self.classes.len() >= REMEMBERED {
            self.classes.clear();
        }
        self.classes.insert(number, class.clone());
        Ok(class)
    }
}

/// The next rows of one state and class.
fn batch(conn: &Connection, of: &ClassTotal, after: i64) -> Result<Vec<Row>, StoreError> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM items INDEXED BY items_not_done \
         WHERE state <> 0 AND state = ?1 AND class = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
    ))?;
    let mut rows = statement.query((of.state.code(), of.number, after, BATCH))?;
    let mut batch = Vec::new();
    while let Some(row) = rows.next()? {
        batch.push(Row::read(row)?);
    }
    Ok(batch)
}
