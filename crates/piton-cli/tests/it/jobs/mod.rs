//! `piton lines` and `piton each`, and what other commands know of their jobs.

mod commands;

use serde_json::Value;

use crate::command::Place;

/// The lines `1` to `n`.
pub(crate) fn numbers(place: &Place, name: &str, n: u64) {
    let lines: String = (1..=n).map(|number| format!("{number}\n")).collect();
    place.write(name, lines.as_bytes());
}

pub(crate) fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A line of JSON.
pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A shell as CMD that fails for one record, and else prints it.
pub(crate) fn fails_for(record: &str) -> String {
    format!("test \"$1\" != {record} && echo \"$1\"")
}
