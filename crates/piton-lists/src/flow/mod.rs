//! Which item is started next, and when: limits the load on hosts, and otherwise keeps the order of the
//! list.
//!
//! Pure: time and randomness are passed in, and nothing waits here.

mod host;
mod limits;
mod queue;

#[cfg(test)]
mod tests;

pub use host::Refusals;
pub use limits::Limits;
pub use queue::{Heard, Queue, Started};

/// A moment, as the time since the run started.
pub type Moment = std::time::Duration;
