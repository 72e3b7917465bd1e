//! One download from the call to the end.
//!
//! [`run`] makes attempts. An [`attempt`] is the whole story: find the place, ask the server, open
//! the part, transfer, verify, finish. [`transfer`] keeps the right number of [`worker`]s busy and decides what a failure
//! calls for; [`job`] is what they share, and [`mirrors`] the addresses of the file.

mod ask;
mod attempt;
mod compare;
mod existing;
mod finish;
mod job;
mod mirrors;
mod name;
mod open;
mod probe;
mod quick;
mod range_reader;
mod run;
mod transfer;
mod trouble;
mod worker;

pub(crate) use quick::{plan, read};
pub(crate) use range_reader::{First, RangeReader};
pub(crate) use run::run;
