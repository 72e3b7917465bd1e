//! One download from the call to the end.
//!
//! [`attempt`] is the whole story, and the page to begin with: look, ask, decide, begin, transfer, verify,
//! finish. [`transfer`] keeps the right number of [`worker`]s busy and decides what a failure calls for;
//! [`job`] is what they share, and [`mirrors`] the URLs of the file.

mod ask;
mod attempt;
mod compare;
mod exchange;
mod existing;
mod finish;
mod job;
mod local_copy;
mod mirrors;
mod name;
mod open;
mod probe;
mod quick;
mod range_reader;
mod retry;
mod tools;
mod transfer;
mod transfer_error;
mod worker;

pub(crate) use attempt::download;
pub(crate) use quick::{plan, read};
pub(crate) use range_reader::{First, RangeReader};
pub(crate) use tools::Tools;
