//! Rows that are read ahead.
//!
//! Rows are in the order in which items first ended, which is about that of the list. So a
//! run over an unchanged list asks for one row after the other, give or take the number of workers and
//! the interleaving of hosts. Read in sequence they cost a tenth of what the index costs.

use std::collections::HashMap;

use rusqlite::Connection;

use super::super::error::StoreError;
use super::super::outcome::Key;
use super::super::row::{Row, columns};

/// Rows that are read in one go; twice as many are in memory.
const CHUNK: i64 = 2_048;
/// If this many consecutive lookups outside the window were near each other, it jumps there: reading it
/// costs as much as a thousand such lookups, which in random order are never near each other that often.
const NEAR: u32 = 16;

/// Two chunks of rows that follow each other. The first row asked for from the second chunk makes the
/// window slide.
#[derive(Default)]
pub(super) struct RowWindow {
    behind: HashMap<Key, Row>,
    ahead: HashMap<Key, Row>,
    /// The rows of `behind` come after this one …
    start: i64,
    /// … those of `ahead` after this one …
    middle: i64,
    /// … and up to here.
    end: i64,
    /// Where the index led to last, outside of the window.
    stray: i64,
    /// How many strays in a row were near the one before.
    near: u32,
    begun: bool,
}

impl RowWindow {
    /// The row of `key`, which leaves the window: asked for again, it is read again.
    pub(super) fn take(&mut self, conn: &Connection, key: &Key) -> Result<Option<Row>, StoreError> {
        if !self.begun {
            // Most runs process their list from the start.
            self.begun = true;
            self.slide(conn)?;
        }
        if let Some(row) = self.ahead.remove(key) {
            self.slide(conn)?;
            return Ok(Some(row));
        }
        if let Some(row) = self.behind.remove(key) {
            return Ok(Some(row));
        }
        let Some(row) = Row::find(conn, key)? else { return Ok(None) };
        if row.id <= self.start || row.id > self.end {
            self.strayed(conn, row.id)?;
        }
        Ok(Some(row))
    }

    fn strayed(&mut self, conn: &Connection, id: i64) -> Result<(), StoreError> {
        let near = id.abs_diff(self.stray) <= CHUNK.unsigned_abs();
        self.near = if near { self.near.saturating_add(1) } else { 0 };
        self.stray = id;
        if self.near < NEAR {
            return Ok(());
        }
        self.near = 0;
        self.end = id;
        self.ahead.clear();
        self.slide(conn)?;
        self.slide(conn)
    }

    /// Drops the rows behind and reads the next ones.
    fn slide(&mut self, conn: &Connection) -> Result<(), StoreError> {
        self.behind.clear();
        std::mem::swap(&mut self.behind, &mut self.ahead);
        (self.start, self.middle) = (self.middle, self.end);
        let mut statement = conn.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM items WHERE id > ?1 ORDER BY id LIMIT ?2"
        ))?;
        let mut rows = statement.query([self.end, CHUNK])?;
        while let Some(row) = rows.next()? {
            let row = Row::read(row)?;
            self.end = row.id;
            self.ahead.insert(row.key, row);
        }
        Ok(())
    }
}
