//! The tests of piton-remote against servers on this machine, in one binary so that it links once.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod conformance;
mod files;
mod http;
