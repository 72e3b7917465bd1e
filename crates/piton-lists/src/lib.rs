//! Many resources: lists of any length, gone through in an order that is kind to hosts, with the
//! outcome of each item kept so that the next run goes on exactly where this one stopped.

pub mod flow;
pub mod name;

mod item;

pub use item::{Address, Item};
