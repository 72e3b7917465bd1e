//! The runs of a list: when, of which list, with which options.

use rusqlite::{Connection, params};

use super::row::{column, count};

/// What a run begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// When it began, in milliseconds since 1970 (UTC).
    pub began: u64,
    /// The list, as the user gave it.
    pub list: String,
    /// Something that changes when the list does; opaque here.
    pub fingerprint: Vec<u8>,
    /// The options that affect the files; opaque here.
    pub options: String,
}

/// A run that was begun by this handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(pub(super) i64);

/// A run as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastRun {
    /// What it began with.
    pub run: Run,
    /// When it ended, in milliseconds since 1970 (UTC); `None` while it runs, and if it was killed.
    pub ended: Option<u64>,
}

pub(super) fn begin_run(conn: &Connection, id: RunId, run: &Run) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO runs(id, began, list, fingerprint, options) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id.0, column(run.began), run.list, run.fingerprint, run.options],
    )?;
    Ok(())
}

pub(super) fn end_run(conn: &Connection, id: RunId, at: u64) -> rusqlite::Result<()> {
    conn.execute("UPDATE runs SET ended = ?2 WHERE id = ?1", [id.0, column(at)])?;
    Ok(())
}

/// The last `most` runs, the last one first.
pub(super) fn last_runs(conn: &Connection, most: u32) -> rusqlite::Result<Vec<PastRun>> {
    let mut statement = conn.prepare_cached(
        "SELECT began, ended, list, fingerprint, options FROM runs ORDER BY id DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([most], |row| {
        Ok(PastRun {
            run: Run {
                began: count(row.get(0)?),
                list: row.get(2)?,
                fingerprint: row.get(3)?,
                options: row.get(4)?,
            },
            ended: row.get::<_, Option<i64>>(1)?.map(count),
        })
    })?;
    rows.collect()
}
