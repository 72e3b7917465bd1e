//! Integration tests of piton-durable: the crash protocol over the simulated disk, the journal
//! against hostile bytes, and the real file system.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests tamper with files")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]
#![allow(clippy::single_range_in_vec_init, reason = "lists of ranges are compared")]

mod adopt;
mod beneath;
mod broken;
mod crash;
mod extras;
mod framed;
mod harness;
mod journal;
mod killed;
mod land;
mod long;
mod names;
mod own;
mod properties;
mod real;
mod root_only;
mod tamper;
mod transfer;
