//! What concerns the house as a whole.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod architecture;
mod docs;
mod guarantees;
