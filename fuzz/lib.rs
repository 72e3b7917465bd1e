//! The properties of the parsers, for the fuzz targets.
//!
//! `cargo +nightly fuzz run TARGET corpus/TARGET seeds/TARGET` runs one of `fuzz_targets/`. The same
//! properties run over `seeds/` with the tests of piton-fetch, where they live.

// The included file says `crate::parse`.
use piton_fetch::parse;

#[path = "../crates/piton-fetch/src/parse/properties.rs"]
#[allow(dead_code)]
pub mod properties;
