//! The properties of the parsers, and of whole runs over hostile state, for the targets in `fuzz_targets/`.
//!
//! In this folder, `mkdir -p corpus/TARGET && cargo +nightly fuzz run --dev TARGET corpus/TARGET
//! seeds/TARGET` runs one of them; those of whole runs, `journal_run` and `ledger_run`, with `-- -detect_leaks=0`
//! behind it, since their servers have threads that are under way between two inputs. The same properties run over `seeds/` and over random bytes with the
//! tests of the crates where they live.

// The included files name what they are about as the crates do where they live.
use piton_fetch::parse;
use piton_lists::{Content, Item, ItemUrl, format, item_url};
mod name {
    pub(crate) use crate::names as properties;
    pub(crate) use piton_lists::name::{Naming, TargetPath};
}

#[path = "../crates/piton-fetch/src/parse/properties.rs"]
pub mod properties;

pub use piton_remote::properties as remote;

pub use piton_records::properties as records;

#[path = "../crates/piton-lists/src/format/properties.rs"]
pub mod lists;

#[path = "../crates/piton-lists/src/name/properties.rs"]
pub mod names;

#[path = "../crates/piton-durable/tests/it/properties.rs"]
mod journal;

/// As the properties of the parsers, for the journal.
pub fn journal(data: &[u8]) {
    journal::journal(data);
}

#[path = "../crates/piton-checkpoint/tests/it/properties.rs"]
mod flight;

/// As the properties of the parsers, for the flight recorder of a ledger.
pub fn flight(data: &[u8]) {
    flight::flight(data);
}

#[path = "../crates/piton-fetch/tests/it/whole_runs.rs"]
mod download;

/// A whole download over a part and a journal that say anything.
pub fn journal_run(data: &[u8]) {
    download::journal_run(data);
}

#[path = "../crates/piton-lists/tests/it/whole_runs.rs"]
mod list;

/// A whole run of a list over a ledger that says anything.
pub fn ledger_run(data: &[u8]) {
    list::ledger_run(data);
}

/// A file in the simulated disk.
fn file(bytes: &[u8]) -> std::sync::Arc<dyn piton_durable::fs::FsFile> {
    use piton_durable::fs::{Fs, Open};
    let disk = piton_testkit::disk::SimDisk::seeded(1);
    disk.put("/in", bytes);
    disk.open("/in".as_ref(), Open::Read).unwrap()
}

/// Compressed sources of jobs, each codec and each of its restart points.
pub fn compressed(data: &[u8]) {
    piton_records::properties::compressed(&file(data), data.len() as u64, data);
}

/// A restart point as a state has it, then a zero, then the file.
pub fn restart_point(data: &[u8]) {
    let (text, rest) = data.split_at(data.iter().position(|it| *it == 0).unwrap_or(0));
    piton_records::properties::restart_point(text, &file(rest), rest.len() as u64);
}
