//! Parsers of input that servers and users write: hostile until read.
//!
//! Every function here is pure: no network, no files, no clock but the one it is given. None panics,
//! all take time and memory in proportion to their input, and each has a fuzz target and a property in
//! `properties.rs` that runs over the seeds of that target with every test.
//!
//! What becomes of a name on disk: [`file_name`]. Lists of digests: [`checksum_file`]. What other programs left:
//! [`aria2_control`]. Arguments: [`size`]. What servers say is read in piton-remote.

pub mod aria2_control;
pub mod checksum_file;
pub mod file_name;
pub mod size;

// Public for the fuzz crate, which includes the file.
#[cfg(test)]
#[allow(unreachable_pub)]
mod properties;

pub use piton_remote::ParseError;
