//! What is done: the bookkeeping that every piton job shares.
//!
//! * [`IntervalSet`]: which positions are done, in whatever order they were finished.
//! * [`Identity`]: whether what is there now is still what was there before (G4).
//! * [`Cadence`]: when the next checkpoint is due (G2).
//! * [`Backoff`], [`Budget`] and [`Class`]: whether a failure is worth another try, and when.
//! * [`Bloom`]: whether a hash may have come before, in memory of a fixed size (G8).
//! * [`ledger`]: what happened to each item of a list.
//!
//! The ledger is a file and has a module for that; nothing else here touches one. No part touches a
//! socket or a clock: time is handed in, so that a test can replay it.
//!
//! ```
//! use piton_checkpoint::IntervalSet;
//!
//! let mut done = IntervalSet::new();
//! done.insert(0..10);
//! done.insert(20..30);
//! assert_eq!(done.gaps(0..40).collect::<Vec<_>>(), [10..20, 30..40]);
//! ```

mod bloom;
mod cadence;
mod identity;
mod intervals;
pub mod ledger;
mod retry;

pub use bloom::Bloom;
pub use cadence::{Cadence, Pace};
pub use identity::{Change, Identity, Rung, Validator, Verdict};
pub use intervals::IntervalSet;
pub use retry::{Backoff, Budget, Class};
