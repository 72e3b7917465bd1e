//! Crash-safe files.
//!
//! stub: the front page is written with the implementation.

pub mod fs;
pub mod part;
