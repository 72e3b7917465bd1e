//! Power cuts on real file systems.

mod unavailable;

pub use unavailable::Unavailable;
