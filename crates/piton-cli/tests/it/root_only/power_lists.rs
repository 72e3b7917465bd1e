//! Power cuts during a list: nothing is called done that is not there and right, nothing under a final
//! name is anything else than whole and right, and the same command again does the rest and no more.
//!
//! `PITON_POWER_STATES` scales the number of cuts and crash states; `PITON_TEST_SEED` draws others.

mod blocklog;
mod broken;
mod job;
mod shutdown;
