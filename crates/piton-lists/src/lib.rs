//! Many resources: lists of any length, gone through in an order that is kind to hosts, with the
//! outcome of each item kept so that the next run goes on exactly where this one stopped.
//!
//! A list is a [`source::Source`] in one of several [formats](mod@format). It gives [`Item`]s, each with the
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
//!
//! A [`run::Run`] goes through it: each file is downloaded by a [`piton_fetch::Client`], and what becomes of
//! each item is kept in a [`piton_checkpoint::ledger::Ledger`] beside the list. The same call again goes on
//! where the last one stopped, whatever stopped it, and whatever was done to the list meanwhile.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use piton_checkpoint::ledger::{How, Ledger};
//! use piton_durable::fs::OsFs;
//! use piton_remote::{Remote, http::Config};
//! use piton_fetch::{Client, Stop};
//! use piton_lists::run::{Monitor, Options, Run};
//! use piton_lists::source::Source;
//!
//! # async fn example(now: u64) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Remote::new(Config::default())?, Arc::new(OsFs));
//! let how = How { durability: Default::default(), create: true, now };
//! let ledger = Ledger::open("files.txt.piton.db".as_ref(), &how)?;
//! let mut options = Options::new("downloads".into());
//! options.limits.wait = std::time::Duration::from_millis(200);
//! let run = Run::new(client, ledger, Source::new("files.txt"), options);
//! // Figures to poll while it runs, and a way to stop with everything saved.
//! let (monitor, stop) = (Monitor::default(), Stop::new());
//! let summary = run.go(monitor, stop).await?;
//! println!("{} of {} done", summary.done + summary.done_before, summary.items());
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | room | what it knows |
//! |---|---|
//! | [`source`], [`mod@format`], [`address`] | what a list says, whatever it comes from and looks like |
//! | [`name`] | where the file of an item goes: never out of the target folder |
//! | [`flow`] | which item is next, and when: turns, pauses, hosts that want to be left alone |
//! | [`run`] | goes through the list, and decides what each end means |
//! | [`adopt`] | takes over what a script noted as done |
//! | [`report`] | how a list stands, and its failures as a list |
//!
//! # What survives
//!
//! What the ledger has acknowledged survives a kill, and a power cut if it was opened for that. "Done" is
//! given to it only after the file is durable under its final name. An item that was in flight at a kill
//! is resumed, part and all. Memory does not grow with the list (G8).

pub mod address;
pub mod adopt;
pub mod flow;
pub mod format;
pub mod name;
pub mod report;
pub mod run;
pub mod source;

mod item;
mod key;
mod occurrences;

pub use item::{Address, Item};
pub use key::{Content, ItemKey};
pub use occurrences::{Census, Occurrences};
