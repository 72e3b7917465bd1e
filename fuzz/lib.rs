//! The properties of the parsers, for the targets in `fuzz_targets/`.
//!
//! In this folder, `mkdir -p corpus/TARGET && cargo +nightly fuzz run --dev TARGET corpus/TARGET
//! seeds/TARGET` runs one of them. The same properties run over `seeds/` and over random bytes with the
//! tests of the crates where they live.

// The included files say `crate::parse`, `crate::format` and `crate::Item`.
use piton_fetch::parse;
use piton_lists::{Item, format};

#[path = "../crates/piton-fetch/src/parse/properties.rs"]
pub mod properties;

#[path = "../crates/piton-lists/src/format/properties.rs"]
pub mod lists;

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
