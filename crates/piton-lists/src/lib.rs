//! Many resources: lists of any length, gone through in an order that is kind to hosts, with the
//! outcome of each item kept so that the next run goes on exactly where this one stopped.
//!
//! A list is a [`source::Source`] in one of several [`format`]s. It gives [`Item`]s, each with the
//! [`ItemKey`] that the ledger knows it by:
//!
//! ```
//! use piton_lists::source::{Keyed, Source};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("list.csv");
//! # let mut list = &b"url,size\nhttp://h.example/a.iso,7\nftp://h.example/b.iso,\n"[..];
//! # piton_lists::source::spool(&piton_durable::fs::OsFs, &mut list, &path)?;
//! for entry in Source::new(path).keyed()? {
//!     match entry? {
//!         Keyed::Item(item, key) => println!("{key} is {}", item.addresses[0].url),
//!         Keyed::Bad(line) => eprintln!("{line}"), // line 3: addresses with ftp: are not fetched, …
//!         Keyed::Notice(notice) => eprintln!("{notice}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod address;
pub mod flow;
pub mod format;
pub mod name;
pub mod source;

mod item;
mod key;
mod occurrences;

pub use item::{Address, Item};
pub use key::{Content, ItemKey};
pub use occurrences::Occurrences;
