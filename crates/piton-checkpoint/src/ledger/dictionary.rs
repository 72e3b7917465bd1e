//! Names that many rows share, by number.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

/// This many names are remembered; a list may have a million hosts (G8).
const REMEMBERED: usize = 4_096;

/// A table of names, with the recent ones in memory. Forget those when a transaction is
/// undone: it may contain names that were undone too.
pub(super) struct Dictionary {
    select: &'static str,
    insert: &'static str,
    numbers: HashMap<String, i64>,
}

impl Dictionary {
    pub(super) fn of_hosts() -> Self {
        Self {
            select: "SELECT id FROM hosts WHERE name = ?1",
            insert: "INSERT INTO hosts(name, done, failed, bytes, took) VALUES (?1, 0, 0, 0, 0)",
            numbers: HashMap::new(),
        }
    }

    pub(super) fn of_classes() -> Self {
        Self {
            select: "SELECT id FROM classes WHERE name = ?1",
            insert: "INSERT INTO classes(name) VALUES (?1)",
            numbers: HashMap::new(),
        }
    }

    /// The number of `name`, which gets one if it has none; 0 is the number of no name.
    pub(super) fn number(
        &mut self,
        conn: &Connection,
        name: Option<&str>,
    ) -> rusqlite::Result<i64> {
        let Some(name) = name else { return Ok(0) };
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        let known =
            conn.prepare_cached(self.select)?.query_row([name], |row| row.get(0)).optional()?;
        let number = match known {
            Some(number) => number,
            None => conn.prepare_cached(self.insert)?.insert([name])?,
        };
        if self.numbers.len() >= REMEMBERED {
            self.numbers.clear();
        }
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    pub(super) fn forget(&mut self) {
        self.numbers.clear();
    }
}
