//! Integration tests of piton-records: framing, sources, outputs, and whole jobs on disks that crash and fail.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests tamper with files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod codecs;
mod command;
mod crash;
mod framing;
mod harness;
mod killed;
mod outputs;
mod pace;
mod pieces;
mod root_only;
mod sources;
mod stores;
mod tampered;
mod usage;
