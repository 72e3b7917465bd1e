//! Many resources: lists of any length, gone through in an order that is kind to hosts, with the
//! outcome of each item kept so that the next run goes on exactly where this one stopped.

mod adopt;
mod item;

pub use adopt::{DoneReport, Progress, adopt_done};
pub use item::{Address, Item};
