//! Many resources: lists of any length, gone through in an order that is kind to hosts, with the
//! outcome of each item kept so that the next run goes on exactly where this one stopped.

pub mod address;
pub mod format;

mod item;
mod key;
mod occurrences;

pub use item::{Address, Item};
pub use key::{Content, ItemKey};
pub use occurrences::Occurrences;
