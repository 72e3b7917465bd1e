//! The tests of piton-fetch against servers on this machine, in one binary so that it links once.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod adopt;
mod download;
mod whole_runs;
