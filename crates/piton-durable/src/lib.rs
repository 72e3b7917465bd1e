//! Crash-safe files.

pub mod crc;
pub mod extent;
pub mod fs;
pub mod journal;
pub mod lock;
pub mod part;
pub mod replace;
