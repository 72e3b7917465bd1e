//! Which item is started next, and when: kind to hosts, in the order of the list otherwise.
//!
//! Pure: time and randomness are handed in, nothing waits here.

mod host;
mod limits;
mod queue;

#[cfg(test)]
mod tests;

pub use host::Refusals;
pub use limits::Limits;
pub use queue::{Heard, Queue, Started};

/// A moment, as the time since the run began.
pub type Moment = std::time::Duration;
