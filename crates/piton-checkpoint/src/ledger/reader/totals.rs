//! Sums that the writer keeps up to date: nothing is counted here.

use rusqlite::Connection;

use super::super::error::StoreError;
use super::super::outcome::{ErrorClass, State, cut_detail};
use super::super::row::{column, count};
use super::super::tally::MINUTES;

const MINUTE_MS: u64 = 60_000;

/// How many items, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Count {
    /// Items.
    pub items: u64,
    /// Bytes that came over the network for them, each in the last try that ended.
    pub bytes: u64,
    /// How long those tries took, in milliseconds, added up.
    pub took: u64,
}

/// How many items are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    counts: [Count; State::ALL.len()],
}

impl Totals {
    /// Items in this state.
    pub fn of(&self, state: State) -> Count {
        self.counts.get(usize::from(state.code())).copied().unwrap_or_default()
    }

    /// All that were ever begun.
    pub fn all(&self) -> Count {
        self.counts.iter().fold(Count::default(), |sum, count| sum.plus(*count))
    }
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            items: self.items.saturating_add(other.items),
            bytes: self.bytes.saturating_add(other.bytes),
            took: self.took.saturating_add(other.took),
        }
    }
}

/// How many items are in one state with one class.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassTotal {
    /// Their state.
    pub state: State,
    /// The class of their failures.
    pub class: Option<ErrorClass>,
    /// How many.
    pub count: Count,
    /// The number of the class.
    pub(super) number: i64,
}

/// What came from one host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostTotal {
    /// Its name.
    pub host: String,
    /// Items that are done.
    pub done: u64,
    /// Items that are not.
    pub failed: u64,
    /// Bytes that came from it, for each item in the last try that ended.
    pub bytes: u64,
    /// How long those tries took, in milliseconds, added up.
    pub took: u64,
}

/// What ended in the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// Tries that ended with a file.
    pub done: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Bytes that they fetched.
    pub bytes: u64,
    /// Over this many milliseconds.
    pub over: u64,
}

pub(super) fn totals(conn: &Connection) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
    for total in by_class(conn)? {
        if let Some(sum) = totals.counts.get_mut(usize::from(total.state.code())) {
            *sum = sum.plus(total.count);
        }
    }
    Ok(totals)
}

pub(super) fn by_class(conn: &Connection) -> Result<Vec<ClassTotal>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT state, class, items, bytes, took FROM totals WHERE items > 0 \
         ORDER BY items DESC, state, class",
    )?;
    let mut rows = statement.query([])?;
    let mut totals = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(state) = State::from_code(row.get(0)?) else {
            return Err(StoreError::Damaged("a total has an unknown state".to_owned()));
        };
        let number = row.get(1)?;
        let class = if number == 0 { None } else { Some(class(conn, number)?) };
        let count = Count {
            items: count(row.get(2)?),
            bytes: count(row.get(3)?),
            took: count(row.get(4)?),
        };
        totals.push(ClassTotal { state, class, count, number });
    }
    Ok(totals)
}

/// The name of a class.
pub(super) fn class(conn: &Connection, number: i64) -> Result<ErrorClass, StoreError> {
    let name: String = conn
        .prepare_cached("SELECT name FROM classes WHERE id = ?1")?
        .query_row([number], |row| row.get(0))?;
    name.parse().map_err(|error| StoreError::Damaged(format!("{:?}: {error}", cut_detail(&name))))
}

pub(super) fn worst_hosts(conn: &Connection, most: u32) -> rusqlite::Result<Vec<HostTotal>> {
    let mut statement = conn.prepare_cached(
        "SELECT name, done, failed, bytes, took FROM hosts INDEXED BY hosts_by_failed \
         WHERE failed > 0 ORDER BY failed DESC LIMIT ?1",
    )?;
    let rows = statement.query_map([most], |row| {
        Ok(HostTotal {
            host: cut_detail(row.get_ref(0)?.as_str()?).to_owned(),
            done: count(row.get(1)?),
            failed: count(row.get(2)?),
            bytes: count(row.get(3)?),
            took: count(row.get(4)?),
        })
    })?;
    rows.collect()
}

pub(super) fn rate(conn: &Connection, now: u64, minutes: u32) -> rusqlite::Result<Rate> {
    let running = now / MINUTE_MS;
    let before = u64::from(minutes.clamp(1, MINUTES as u32)) - 1;
    let first = running.saturating_sub(before);
    let mut statement = conn.prepare_cached(
        "SELECT coalesce(sum(done), 0), coalesce(sum(failed), 0), coalesce(sum(bytes), 0) \
         FROM minutes WHERE minute BETWEEN ?1 AND ?2",
    )?;
    statement.query_row([column(first), column(running)], |row| {
        Ok(Rate {
            done: count(row.get(0)?),
            failed: count(row.get(1)?),
            bytes: count(row.get(2)?),
            over: now.saturating_sub(first * MINUTE_MS),
        })
    })
}
