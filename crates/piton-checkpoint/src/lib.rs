//! Bookkeeping that every piton job shares: what is done, what has changed, when to try again.
//!
//! * [`IntervalSet`]: which positions are done, in any order.
//! * [`Identity`]: whether a source still has the same version (G4).
//! * [`Cadence`]: when the next checkpoint is due (G2).
//! * [`Backoff`], [`Budget`] and [`Class`]: whether a failure is worth another try, and when.
//! * [`Bloom`]: whether a hash may have been seen before, in memory of a fixed size (G8).
//! * [`ledger`]: what happened to each item of a list.
//! * [`store`]: how far a job of records has come.
//!
//! Only the ledger and the stores touch files. Nothing touches a socket or a clock: time is passed in, so that a test
//! can replay it.
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
pub mod store;

pub use bloom::Bloom;
pub use cadence::{Cadence, Pace};
pub use identity::{Change, Identity, Strength, Validator, Verdict};
pub use intervals::IntervalSet;
pub use retry::{Backoff, Budget, Class};
