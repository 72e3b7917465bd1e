//! Ledgers that are well formed and say anything.
//!
//! The tables and the checksum of a row are those of `docs/ledger-format.md`, made here a second time: what a
//! ledger says is data, and this is who wrote it.

use std::path::Path;

use piton_durable::crc::crc32c;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::Draw;
use super::texts::{NUMBERS, texts};

/// What is done to the tables themselves. The first is nothing.
const SCHEMA: [&str; 20] = [
    "",
    "CREATE TABLE more(x)",
    "CREATE VIEW more AS SELECT * FROM items",
    "CREATE INDEX more ON items(at)",
    "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM items; END",
    "CREATE TRIGGER t AFTER UPDATE ON totals BEGIN SELECT load_extension('../outside/x'); END",
    "DROP TABLE minutes",
    "DROP INDEX items_by_key",
    "ALTER TABLE items ADD COLUMN more TEXT DEFAULT 'x'",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = -1",
    "PRAGMA application_id = 0",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA writable_schema = ON;
     UPDATE sqlite_schema SET sql = 'ATTACH ''../outside/x'' AS x' WHERE name = 'minutes'",
    "PRAGMA writable_schema = ON;
     INSERT INTO sqlite_schema VALUES ('trigger', 't', 'runs', 0, NULL)",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 999999999 WHERE name = 'runs'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET type = 'view' WHERE name = 'hosts'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET name = 'x', tbl_name = 'y' WHERE name = 'names'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = x'00ff', rootpage = 'x'",
];

/// Has the ledger at `path`, which nobody has open, say anything: each value may be of any kind and size, and
/// rows are under checksums that are right. `secret` is a login that texts have in them.
///
/// # Panics
/// If there is no ledger to begin with.
pub fn rewrite(path: &Path, secret: &str, draw: &mut Draw<'_>) {
    let conn = Connection::open(path).unwrap();
    let any = Any { texts: texts(secret) };
    // What SQLite refuses is not planted.
    let _ = conn.execute_batch("PRAGMA synchronous = OFF; BEGIN");
    let _ = items(&conn, &any, draw);
    let _ = sums(&conn, &any, draw);
    let _ = runs(&conn, &any, draw);
    let _ = names(&conn, &any, draw);
    let _ = conn.execute_batch("COMMIT");
    if draw.once_in(3) {
        let _ = conn.execute_batch(draw.one(&SCHEMA));
    }
}

/// Puts this text wherever the ledger at `path`, which nobody has open, has one that is shown.
///
/// # Panics
/// If there is no ledger.
pub fn say(path: &Path, text: &str) {
    let conn = Connection::open(path).unwrap();
    let options = serde_json::json!({ "folder": format!("/{text}"), "tree": false }).to_string();
    conn.execute("UPDATE hosts SET name = ?1, failed = 5", [text]).unwrap();
    conn.execute("UPDATE runs SET list = ?1, options = ?2", [text, &options]).unwrap();
    for (id, mut row) in rows(&conn).unwrap() {
        row[DETAIL] = Value::Text(text.to_owned());
        let crc = crc(&row);
        put(&conn, id, row, Value::Integer(crc)).unwrap();
    }
}

/// Values of any kind.
struct Any {
    texts: Vec<String>,
}

impl Any {
    fn text(&self, draw: &mut Draw<'_>) -> String {
        draw.one(&self.texts)
    }

    /// A number, most times.
    fn number(&self, draw: &mut Draw<'_>) -> Value {
        match draw.below(16) {
            15 => Value::Text(self.text(draw)),
            14 => Value::Blob(vec![0xff; draw.below(64)]),
            13 => Value::Real(1e300),
            12 => Value::Null,
            _ => Value::Integer(draw.one(&NUMBERS)),
        }
    }

    /// A text, most times.
    fn words(&self, draw: &mut Draw<'_>) -> Value {
        match draw.below(16) {
            15 => Value::Integer(draw.one(&NUMBERS)),
            14 => Value::Blob(vec![0xff; draw.below(64)]),
            13 => Value::Null,
            _ => Value::Text(self.text(draw)),
        }
    }
}

/// Some columns of each row are other ones.
fn items(conn: &Connection, any: &Any, draw: &mut Draw<'_>) -> rusqlite::Result<()> {
    // The key stays, most times: another one is another item.
    const CHANGED: [usize; 19] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2, 3, 8, 12, 13, 0, 1];
    for (id, mut row) in rows(conn)? {
        let id = if draw.once_in(8) { any.number(draw) } else { id };
        for _ in 0..draw.below(5) {
            let at = draw.one(&CHANGED);
            row[at] = match at {
                2 => Value::Integer(draw.one(&[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, -1, i64::MAX])),
                // What a count may be, most times: else the row is none.
                5 | 6 if !draw.once_in(8) => {
                    Value::Integer(draw.one(&[1, 0, 4, 5, i64::from(u32::MAX)]))
                }
                11.. => any.words(draw),
                _ => any.number(draw),
            };
        }
        let crc = if draw.once_in(10) { any.number(draw) } else { Value::Integer(crc(&row)) };
        // One that breaks a rule of the table stays as it was.
        let _ = put(conn, id, row, crc);
    }
    Ok(())
}

/// The columns of a row that its checksum covers, in the order of the format.
const COLUMNS: &str = "head, tail, state, class, host, attempts, interruptions, at, size, bytes, took, \
                       digest, detail, path";
const DETAIL: usize = 12;

fn rows(conn: &Connection) -> rusqlite::Result<Vec<(Value, Vec<Value>)>> {
    let mut statement = conn.prepare(&format!("SELECT id, {COLUMNS} FROM items"))?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, (1..15).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?))
    })?;
    rows.collect()
}

fn put(conn: &Connection, id: Value, row: Vec<Value>, crc: Value) -> rusqlite::Result<()> {
    let marks = ["?"; 16].join(", ");
    let insert = format!("INSERT OR REPLACE INTO items(id, {COLUMNS}, crc) VALUES ({marks})");
    let values = [id].into_iter().chain(row).chain([crc]);
    conn.execute(&insert, params_from_iter(values)).map(drop)
}

/// The checksum of a row, by its columns in the order of the format.
fn crc(row: &[Value]) -> i64 {
    let number = |at: usize| match row[at] {
        Value::Integer(number) => Some(number),
        _ => None,
    };
    let or_0 = |at| number(at).unwrap_or(0);
    let size = number(8);
    let bytes = number(9).or(size).unwrap_or(0);
    let standing = or_0(6) << 8 | or_0(2);
    let words = [or_0(0).to_be_bytes(), or_0(1).to_be_bytes()].into_iter().chain(
        [or_0(3), or_0(4), or_0(7), size.unwrap_or(-1), bytes, or_0(10), or_0(5), standing]
            .map(i64::to_le_bytes),
    );
    let mut crc = crc32c(&words.flatten().collect::<Vec<u8>>());
    for (tag, at) in [(1, 11), (2, 12), (3, 13)] {
        if let Value::Text(text) = &row[at] {
            let next = [&crc.to_le_bytes()[..], &crc32c(text.as_bytes()).to_le_bytes(), &[tag]];
            crc = crc32c(&next.concat());
        }
    }
    crc.cast_signed().into()
}

/// Classes, totals, hosts and minutes.
fn sums(conn: &Connection, any: &Any, draw: &mut Draw<'_>) -> rusqlite::Result<()> {
    for _ in 0..draw.below(4) {
        let _ = conn.execute(
            "INSERT OR REPLACE INTO classes VALUES (?1, ?2)",
            params![any.number(draw), any.words(draw)],
        );
    }
    for _ in 0..draw.below(4) {
        let state = draw.one(&[1, 0, 2, 3, 4, 5, -1]);
        let _ = conn.execute(
            "INSERT OR REPLACE INTO totals VALUES (?1, ?2, ?3, ?4, ?5)",
            params![state, any.number(draw), any.number(draw), any.number(draw), any.number(draw)],
        );
    }
    for _ in 0..draw.below(4) {
        let _ = conn.execute(
            "INSERT OR REPLACE INTO hosts VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                any.number(draw),
                any.words(draw),
                any.number(draw),
                any.number(draw),
                any.number(draw),
                any.number(draw)
            ],
        );
    }
    for _ in 0..draw.below(3) {
        let minute = "cast(strftime('%s') / 60 AS INTEGER)";
        let minute = if draw.below(2) == 0 { minute } else { "9223372036854775807" };
        let _ = conn.execute(
            &format!("INSERT OR REPLACE INTO minutes VALUES ({minute}, ?1, ?2, ?3)"),
            params![any.number(draw), any.number(draw), any.number(draw)],
        );
    }
    Ok(())
}

/// Runs, whose options say where files go, and the number of the ledger.
fn runs(conn: &Connection, any: &Any, draw: &mut Draw<'_>) -> rusqlite::Result<()> {
    for _ in 0..draw.below(3) {
        let mut options = serde_json::Map::new();
        for key in ["folder", "base", "format", "ledger", "tree"] {
            let value = match draw.below(4) {
                0 => continue,
                1 if key == "tree" => true.into(),
                1 if key == "format" => {
                    draw.one(&["csv", "metalink", "jsonl", "aria2", "no such"]).into()
                }
                1 => serde_json::Value::Null,
                _ => any.text(draw).into(),
            };
            options.insert(key.to_owned(), value);
        }
        let options = match draw.below(4) {
            3 => any.words(draw),
            _ => Value::Text(serde_json::Value::Object(options).to_string()),
        };
        let id = draw.one(&[100, 1, i64::MAX, i64::MIN]);
        let fingerprint = if draw.once_in(3) { any.words(draw) } else { Value::Blob(vec![]) };
        let _ = conn.execute(
            "INSERT OR REPLACE INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, any.number(draw), any.number(draw), any.words(draw), fingerprint, options],
        );
    }
    match draw.below(12) {
        11 => conn.execute("DELETE FROM ledger", []).map(drop),
        10 => conn.execute("UPDATE ledger SET number = ?1", [any.number(draw)]).map(drop),
        _ => Ok(()),
    }
}

/// Whose the names are.
fn names(conn: &Connection, any: &Any, draw: &mut Draw<'_>) -> rusqlite::Result<()> {
    match draw.below(5) {
        4 => conn.execute("UPDATE names SET head = ?1", [any.number(draw)]).map(drop),
        3 => conn
            .execute(
                "INSERT OR REPLACE INTO names VALUES (?1, ?2, ?3)",
                params![draw.one(&NUMBERS), any.number(draw), any.number(draw)],
            )
            .map(drop),
        2 => conn.execute("DELETE FROM names", []).map(drop),
        _ => Ok(()),
    }
}
