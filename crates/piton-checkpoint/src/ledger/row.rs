//! A row of `items`: how it is read and written, and its checksum.

use piton_durable::crc::crc32c;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, params};

use super::error::StoreError;
use super::outcome::{Key, State};

/// The columns of a row, in the order in which [`Row::read`] takes them.
macro_rules! columns {
    () => {
        "id, head, tail, state, class, host, attempts, interruptions, at, size, bytes, took, digest, \
         detail, path, crc"
    };
}
pub(super) use columns;

/// One item. Numbers are as SQLite has them, 63 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Rows have ascending numbers in the order in which items were first written.
    pub(super) id: i64,
    pub(super) key: Key,
    pub(super) state: State,
    /// The number of the class in `classes`; 0 is none.
    pub(super) class: i64,
    /// The number of the host in `hosts`; 0 is none.
    pub(super) host: i64,
    pub(super) attempts: u32,
    pub(super) interruptions: u32,
    pub(super) at: i64,
    pub(super) size: Option<i64>,
    pub(super) bytes: i64,
    pub(super) took: i64,
    pub(super) digest: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) path: Option<String>,
}

/// A key as two numbers: the index holds the first one only, which makes it a third smaller.
pub(super) fn halves(key: &Key) -> (i64, i64) {
    let number = u128::from_be_bytes(*key);
    (((number >> 64) as u64).cast_signed(), (number as u64).cast_signed())
}

/// The key that has these halves.
pub(super) fn whole(head: i64, tail: i64) -> Key {
    (u128::from(head.cast_unsigned()) << 64 | u128::from(tail.cast_unsigned())).to_be_bytes()
}

/// A number for a column. No file, time or count is that large.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// And back.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Row {
    /// Reads a row of [`columns!`] and compares its checksum (G3).
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self, StoreError> {
        let id = number(row, 0)?.unwrap_or(0);
        let read = || -> Result<Option<Self>, StoreError> {
            let (Some(head), Some(tail)) = (number(row, 1)?, number(row, 2)?) else {
                return Ok(None);
            };
            let Some(state) = number(row, 3)?.and_then(State::from_code) else { return Ok(None) };
            let small =
                |at| Ok::<_, StoreError>(number(row, at)?.and_then(|n| u32::try_from(n).ok()));
            let (Some(attempts), Some(interruptions)) = (small(6)?, small(7)?) else {
                return Ok(None);
            };
            let size = number(row, 9)?;
            Ok(Some(Self {
                id,
                key: whole(head, tail),
                state,
                class: number(row, 4)?.unwrap_or(0),
                host: number(row, 5)?.unwrap_or(0),
                attempts,
                interruptions,
                at: number(row, 8)?.unwrap_or(0),
                size,
                bytes: number(row, 10)?.or(size).unwrap_or(0),
                took: number(row, 11)?.unwrap_or(0),
                digest: text(row, 12)?,
                detail: text(row, 13)?,
                path: text(row, 14)?,
            }))
        };
        match (read()?, number(row, 15)?) {
            (Some(item), Some(crc)) if crc == item.crc() => Ok(item),
            _ => Err(StoreError::Damaged(format!("row {id} does not match its checksum"))),
        }
    }

    /// The item with this key.
    pub(super) fn find(conn: &Connection, key: &Key) -> Result<Option<Self>, StoreError> {
        let (head, tail) = halves(key);
        let mut statement = conn.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM items WHERE head = ?1 AND tail = ?2"
        ))?;
        let mut rows = statement.query([head, tail])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let found = Self::read(row)?;
        match found.key == *key {
            true => Ok(Some(found)),
            // Two columns compared equal, so they are not damaged.
            false => Err(StoreError::Damaged("the key index points to another row".to_owned())),
        }
    }

    /// Writes a new row; its `id` is chosen by SQLite, one above the largest.
    pub(super) fn insert(&self, conn: &Connection) -> rusqlite::Result<()> {
        let statement = conn.prepare_cached(concat!(
            "INSERT INTO items(",
            columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        ))?;
        self.write(statement, None)
    }

    /// Writes this in place of the row of the same `id`; its key stays.
    pub(super) fn update(&self, conn: &Connection) -> rusqlite::Result<()> {
        let statement = conn.prepare_cached(
            "UPDATE items SET state = ?4, class = ?5, host = ?6, attempts = ?7, interruptions = ?8, \
             at = ?9, size = ?10, bytes = ?11, took = ?12, digest = ?13, detail = ?14, path = ?15, \
             crc = ?16 WHERE id = ?1",
        )?;
        self.write(statement, Some(self.id))
    }

    /// Carries out a statement whose parameters are [`columns!`].
    fn write(&self, mut statement: CachedStatement<'_>, id: Option<i64>) -> rusqlite::Result<()> {
        let (head, tail) = halves(&self.key);
        statement.execute(params![
            id,
            head,
            tail,
            self.state.code(),
            self.class,
            self.host,
            self.attempts,
            self.interruptions,
            self.at,
            self.size,
            self.stored_bytes(),
            self.took,
            self.digest,
            self.detail,
            self.path,
            self.crc(),
        ])?;
        Ok(())
    }

    /// Most files come whole, in one try: then the size is enough.
    fn stored_bytes(&self) -> Option<i64> {
        (self.size.unwrap_or(0) != self.bytes).then_some(self.bytes)
    }

    /// The checksum over everything but `id`. Signed, so that it takes four bytes in SQLite.
    fn crc(&self) -> i64 {
        let mut fixed = [0; 80];
        let numbers = [
            self.class,
            self.host,
            self.at,
            self.size.unwrap_or(-1),
            self.bytes,
            self.took,
            i64::from(self.attempts),
            i64::from(self.interruptions) << 8 | i64::from(self.state.code()),
        ];
        let words = numbers.iter().map(|number| number.to_le_bytes());
        let (key, rest) = fixed.split_at_mut(16);
        key.copy_from_slice(&self.key);
        for (place, word) in rest.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word;
        }
        let mut crc = crc32c(&fixed);
        for (tag, text) in [(1, &self.digest), (2, &self.detail), (3, &self.path)] {
            let Some(text) = text else { continue };
            let mut next = [tag; 9];
            let (left, right) = next.split_at_mut(4);
            left.copy_from_slice(&crc.to_le_bytes());
            if let Some(place) = right.first_chunk_mut() {
                *place = crc32c(text.as_bytes()).to_le_bytes();
            }
            crc = crc32c(&next);
        }
        crc.cast_signed().into()
    }
}

fn number(row: &rusqlite::Row<'_>, at: usize) -> Result<Option<i64>, StoreError> {
    match row.get_ref(at)? {
        ValueRef::Integer(number) => Ok(Some(number)),
        ValueRef::Null => Ok(None),
        _ => Err(StoreError::Damaged("a row has text in place of a number".to_owned())),
    }
}

fn text(row: &rusqlite::Row<'_>, at: usize) -> Result<Option<String>, StoreError> {
    let bytes = match row.get_ref(at)? {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) => bytes,
        _ => return Err(StoreError::Damaged("a row has a number in place of text".to_owned())),
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(StoreError::Damaged("a row has text that is not UTF-8".to_owned())),
    }
}
