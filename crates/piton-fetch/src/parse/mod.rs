//! Parsers of input that servers and users write: hostile until read.
//!
//! Every function here is pure: no network, no files, no clock but the one it is given. None panics,
//! all take time and memory in proportion to their input, and each has a fuzz target and a property in
//! `properties.rs` that runs over the seeds of that target with every test.
//!
//! What a server says: [`content_range`], [`content_length`], [`content_coding`], [`patience`], [`retry_after`], [`http_date`], [`etag`],
//! [`content_disposition`], [`digest_headers`]. What becomes a file on disk: [`file_name`]. Files of the
//! user: [`netrc`], [`cookies_txt`], [`checksum_file`]. What other programs left: [`aria2_control`]. Arguments: [`size`].

pub mod aria2_control;
pub mod checksum_file;
pub mod file_name;
pub mod size;

// Public for the fuzz crate, which includes the file.
#[cfg(test)]
#[allow(unreachable_pub)]
mod properties;

pub use piton_remote::ParseError;
