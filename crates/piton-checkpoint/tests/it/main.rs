//! Integration tests of piton-checkpoint: the ledger on real files, killed, damaged and out of room; the stores of
//! jobs on simulated disks.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests tamper with files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod book;
mod commits;
mod crashed;
mod damage;
mod killed;
mod many;
mod model;
mod opening;
mod properties;
mod reading;
mod root_only;
mod specs;
mod stores;
mod stores_redis;
mod stores_sqlite;
