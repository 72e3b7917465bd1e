//! What a group of outcomes changes in the totals, summed up so that each is written once.

use std::collections::HashMap;

use rusqlite::Connection;

use super::outcome::State;
use super::row::Row;

/// How many minutes the totals per minute reach back.
pub(super) const MINUTES: i64 = 60;
const MINUTE_MS: i64 = 60_000;

/// Differences, to be added to the tables by [`Tally::write`]. Of a few groups each: bounded by the
/// length of the group.
#[derive(Default)]
pub(super) struct Tally {
    by_state: HashMap<(State, i64), Sums>,
    by_host: HashMap<i64, HostSums>,
    by_minute: HashMap<i64, MinuteSums>,
}

#[derive(Default)]
struct Sums {
    items: i64,
    bytes: i64,
    took: i64,
}

#[derive(Default)]
struct HostSums {
    done: i64,
    failed: i64,
    bytes: i64,
    took: i64,
}

#[derive(Default)]
struct MinuteSums {
    done: i64,
    failed: i64,
    bytes: i64,
}

impl Tally {
    /// Moves an item from the sums of `old` to those of `new`.
    pub(super) fn replace(&mut self, old: Option<&Row>, new: &Row) {
        if let Some(old) = old {
            self.add(old, -1);
        }
        self.add(new, 1);
    }

    /// A try ended as `row` says.
    pub(super) fn ended(&mut self, row: &Row) {
        let minute = self.by_minute.entry(row.at.div_euclid(MINUTE_MS)).or_default();
        let (done, failed) = sides(row.state);
        minute.done += done;
        minute.failed += failed;
        minute.bytes = minute.bytes.saturating_add(row.bytes);
    }

    fn add(&mut self, row: &Row, sign: i64) {
        let sums = self.by_state.entry((row.state, row.class)).or_default();
        sums.items += sign;
        sums.bytes = sums.bytes.saturating_add(row.bytes.saturating_mul(sign));
        sums.took = sums.took.saturating_add(row.took.saturating_mul(sign));
        if row.host == 0 {
            return;
        }
        let (done, failed) = sides(row.state);
        let sums = self.by_host.entry(row.host).or_default();
        sums.done += done * sign;
        sums.failed += failed * sign;
        sums.bytes = sums.bytes.saturating_add(row.bytes.saturating_mul(sign));
        sums.took = sums.took.saturating_add(row.took.saturating_mul(sign));
    }

    /// Adds the differences to the tables.
    pub(super) fn write(self, conn: &Connection) -> rusqlite::Result<()> {
        let mut totals = conn.prepare_cached(
            "INSERT INTO totals VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET \
             items = items + excluded.items, bytes = bytes + excluded.bytes, \
             took = took + excluded.took",
        )?;
        for ((state, class), sums) in self.by_state {
            totals.execute((state.code(), class, sums.items, sums.bytes, sums.took))?;
        }
        let mut hosts = conn.prepare_cached(
            "UPDATE hosts SET done = done + ?2, failed = failed + ?3, bytes = bytes + ?4, \
             took = took + ?5 WHERE id = ?1",
        )?;
        for (host, sums) in self.by_host {
            hosts.execute((host, sums.done, sums.failed, sums.bytes, sums.took))?;
        }
        let Some(&newest) = self.by_minute.keys().max() else { return Ok(()) };
        let mut minutes = conn.prepare_cached(
            "INSERT INTO minutes VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET \
             done = done + excluded.done, failed = failed + excluded.failed, \
             bytes = bytes + excluded.bytes",
        )?;
        for (minute, sums) in self.by_minute {
            minutes.execute((minute, sums.done, sums.failed, sums.bytes))?;
        }
        // A clock that was set back leaves minutes of the future behind; they go as well.
        conn.prepare_cached("DELETE FROM minutes WHERE minute NOT BETWEEN ?1 AND ?2")?
            .execute([newest.saturating_sub(MINUTES), newest])?;
        Ok(())
    }
}

fn sides(state: State) -> (i64, i64) {
    if state == State::Done { (1, 0) } else { (0, 1) }
}
