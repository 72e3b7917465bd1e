//! The rows of a job. Each has a checksum, since SQLite has none in its pages; each change names the row as this run
//! left it, and changes nothing if it is another one.

use piton_durable::crc::crc32c;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::database::Database;
use crate::store::StoreError;
use crate::store::head::Head;

/// A change of a head: what it has to be, and what it is then.
type Change = (Head, Head);

impl Database {
    /// Takes the next epoch of the job, durably. Returns its row, its head, and its commits, oldest first.
    pub(super) fn take(
        &mut self,
        job: &str,
        run: u64,
        place: &str,
    ) -> Result<(i64, Head, Vec<Vec<u8>>), StoreError> {
        self.set_synced(true)?;
        let begun = self.begin()?;
        let rows = begun.run(all)?;
        let found = rows.iter().find(|row| row.name == job);
        // The row of another job may be ours, under a damaged name.
        if let Some(damaged) = found.or_else(|| rows.iter().find(|row| !row.is_whole()))
            && !damaged.is_whole()
        {
            return Err(StoreError::damage_within(place, "the row of the job was changed"));
        }
        if begun.run(has_orphans)? {
            return Err(StoreError::damage_within(place, "it has commits of a job that is gone"));
        }
        let taken = match found {
            Some(row) => {
                let commits = begun.run(|conn| read(conn, row.id))?;
                let commits =
                    whole(row, commits).map_err(|why| StoreError::damage_within(place, why))?;
                let head = row.head.next_run(run);
                let swapped = begun.run(|conn| swap(conn, row.id, job, (row.head, head)))?;
                debug_assert!(swapped, "within one transaction");
                (row.id, head, commits)
            }
            None => {
                let head = Head::new(run);
                (begun.run(|conn| insert(conn, job, head))?, head, Vec::new())
            }
        };
        begun.commit()?;
        // What an earlier run failed to sync is written again, and the job is in the database itself: damage of the WAL
        // can take its commits back to here, but not the job.
        self.checkpoint()?;
        self.set_synced(false)?;
        Ok(taken)
    }

    /// Adds a commit; it is not synced.
    pub(super) fn commit(
        &mut self,
        id: i64,
        change: Change,
        state: &[u8],
        place: &str,
    ) -> Result<(), StoreError> {
        let number = change.1.last;
        self.change(id, change, place, |conn| {
            let crc = crc_of(id, number, state);
            conn.prepare_cached("INSERT INTO commits VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id, number.cast_signed(), state, crc])?;
            Ok(())
        })
    }

    /// Lets go of the commits before the first one, durably with all that was committed before.
    pub(super) fn settle(
        &mut self,
        id: i64,
        change: Change,
        place: &str,
    ) -> Result<(), StoreError> {
        self.set_synced(true)?;
        let first = change.1.first;
        self.change(id, change, place, |conn| {
            conn.prepare_cached("DELETE FROM commits WHERE job = ?1 AND number < ?2")?
                .execute(params![id, first.cast_signed()])?;
            Ok(())
        })?;
        self.set_synced(false)
    }

    /// Removes the job, durably.
    pub(super) fn remove(&mut self, id: i64, head: Head, place: &str) -> Result<(), StoreError> {
        self.set_synced(true)?;
        self.change(id, (head, head), place, |conn| {
            conn.execute("DELETE FROM commits WHERE job = ?1", [id])?;
            conn.execute("DELETE FROM jobs WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// Renames the job, whatever is in its row, to the first free `NAME.aside-N`.
    pub(super) fn set_aside(&mut self, job: &str) -> Result<Option<String>, StoreError> {
        self.set_synced(true)?;
        let begun = self.begin()?;
        let rows = begun.run(all)?;
        let Some(row) = rows.iter().find(|row| row.name == job) else { return Ok(None) };
        let aside = (1_u64..)
            .map(|n| format!("{job}.aside-{n}"))
            .find(|name| rows.iter().all(|row| row.name != *name));
        let Some(aside) = aside else { return Ok(None) };
        begun.run(|conn| {
            let crc = crc_of_head(&aside, row.head);
            conn.execute(
                "UPDATE jobs SET name = ?1, crc = ?2 WHERE id = ?3",
                params![aside, crc, row.id],
            )
        })?;
        begun.commit()?;
        Ok(Some(aside))
    }

    fn change(
        &mut self,
        id: i64,
        change: Change,
        place: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let begun = self.begin()?;
        let name = begun.run(|conn| {
            let name = "SELECT name FROM jobs WHERE id = ?1";
            conn.prepare_cached(name)?.query_row([id], |row| row.get::<_, String>(0)).optional()
        })?;
        let swapped = match name {
            Some(name) => begun.run(|conn| swap(conn, id, &name, change))?,
            None => false,
        };
        if !swapped {
            return Err(StoreError::Fenced { place: place.to_owned() });
        }
        begun.run(work)?;
        begun.commit()
    }
}

/// The head of a job and its commits, oldest first.
type Found = (Head, Vec<Vec<u8>>);

/// What there is of the job; `None`: nothing.
pub(super) fn find(conn: &Connection, job: &str, place: &str) -> Result<Option<Found>, StoreError> {
    let damage = |why: String| StoreError::damage_within(place, why);
    let of_rows = |error: rusqlite::Error| damage(error.to_string());
    let rows = all(conn).map_err(of_rows)?;
    let Some(row) = rows.iter().find(|row| row.name == job) else { return Ok(None) };
    if !row.is_whole() {
        return Err(damage("the row of the job was changed".to_owned()));
    }
    let commits = read(conn, row.id).map_err(of_rows)?;
    Ok(Some((row.head, whole(row, commits).map_err(damage)?)))
}

/// A row of `jobs`.
struct Job {
    id: i64,
    name: String,
    head: Head,
    crc: i64,
}

impl Job {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let head = Head {
            epoch: number(2)?,
            run: number(3)?,
            first: number(4)?,
            last: number(5)?,
            durable: number(6)? != 0,
        };
        Ok(Self { id: row.get(0)?, name: row.get(1)?, head, crc: row.get(7)? })
    }

    fn is_whole(&self) -> bool {
        self.crc == crc_of_head(&self.name, self.head) && self.head.flaw().is_none()
    }
}

/// All jobs. Not by the index of names: it may be damaged in another way than the table.
fn all(conn: &Connection) -> rusqlite::Result<Vec<Job>> {
    let mut rows = conn.prepare("SELECT * FROM jobs NOT INDEXED ORDER BY id")?;
    rows.query_map([], Job::of)?.collect()
}

fn has_orphans(conn: &Connection) -> rusqlite::Result<bool> {
    let orphans = "SELECT 1 FROM commits WHERE job NOT IN (SELECT id FROM jobs) LIMIT 1";
    Ok(conn.query_row(orphans, [], |_| Ok(())).optional()?.is_some())
}

/// A row of `commits`: number, state, checksum.
type Commit = (u64, Vec<u8>, i64);

fn read(conn: &Connection, id: i64) -> rusqlite::Result<Vec<Commit>> {
    let rows = "SELECT number, state, crc FROM commits WHERE job = ?1 ORDER BY number";
    let mut rows = conn.prepare(rows)?;
    let commit =
        |row: &Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?, row.get(2)?));
    rows.query_map([id], commit)?.collect()
}

/// The commits, if they are those that the job says.
fn whole(job: &Job, commits: Vec<Commit>) -> Result<Vec<Vec<u8>>, String> {
    if job.head.kept() != commits.len() as u64 {
        return Err(format!("it has {} commits of {}", commits.len(), job.head.kept()));
    }
    let expected = job.head.first..;
    let check = |((number, state, crc), expected): (Commit, u64)| match number == expected
        && crc == crc_of(job.id, number, &state)
    {
        true => Ok(state),
        false => Err(format!("commit {expected} was changed")),
    };
    commits.into_iter().zip(expected).map(check).collect()
}

fn insert(conn: &Connection, name: &str, head: Head) -> rusqlite::Result<i64> {
    let Head { epoch, run, first, last, durable } = head;
    let [epoch, run, first, last] = [epoch, run, first, last].map(u64::cast_signed);
    conn.execute(
        "INSERT INTO jobs(name, epoch, run, first, last, durable, crc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![name, epoch, run, first, last, durable, crc_of_head(name, head)],
    )?;
    Ok(conn.last_insert_rowid())
}

/// Compare and set; `false`: it is another one.
fn swap(conn: &Connection, id: i64, name: &str, (old, new): Change) -> rusqlite::Result<bool> {
    let [epoch, run, first, last] = [new.epoch, new.run, new.first, new.last].map(u64::cast_signed);
    let [was_epoch, was_run, was_first, was_last] =
        [old.epoch, old.run, old.first, old.last].map(u64::cast_signed);
    let mut statement = conn.prepare_cached(
        "UPDATE jobs SET epoch = ?1, run = ?2, first = ?3, last = ?4, durable = ?5, crc = ?6
         WHERE id = ?7 AND epoch = ?8 AND run = ?9 AND first = ?10 AND last = ?11 AND durable = ?12",
    )?;
    let changed = statement.execute(params![
        epoch,
        run,
        first,
        last,
        new.durable,
        crc_of_head(name, new),
        id,
        was_epoch,
        was_run,
        was_first,
        was_last,
        old.durable,
    ])?;
    Ok(changed == 1)
}

fn crc_of_head(name: &str, head: Head) -> i64 {
    let Head { epoch, run, first, last, durable } = head;
    let mut bytes: Vec<u8> = [epoch, run, first, last, u64::from(durable)]
        .iter()
        .flat_map(|it| it.to_le_bytes())
        .collect();
    bytes.extend_from_slice(name.as_bytes());
    i64::from(crc32c(&bytes))
}

fn crc_of(id: i64, number: u64, state: &[u8]) -> i64 {
    let mut bytes = Vec::with_capacity(16 + state.len());
    bytes.extend_from_slice(&id.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(state);
    i64::from(crc32c(&bytes))
}
