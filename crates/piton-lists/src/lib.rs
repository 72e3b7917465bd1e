//! Many resources: lists of any length, processed in an order that limits the load on hosts. The outcome of
//! each item is recorded, so the next run resumes exactly where this one stopped.
//!
//! A list is a [`source::Source`] in one of several [formats](mod@format). It yields [`Item`]s, each with
//! the [`ItemKey`] that identifies it in the ledger:
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
//!         Keyed::Item(item, key) => println!("{key} is {}", item.urls[0].url),
//!         Keyed::Bad(line) => eprintln!("{line}"), // line 3: ftp: URLs are not supported in a list, …
//!         Keyed::Notice(notice) => eprintln!("{notice}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`run::Run`] processes it: a [`piton_fetch::Client`] downloads each file, and a
//! [`piton_checkpoint::ledger::Ledger`] next to the list records the outcome of each item. The same call
//! again resumes where the last one stopped, whatever stopped it, and however the list was edited
//! meanwhile.
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
//! | module | responsibility |
//! |---|---|
//! | [`source`], [`mod@format`], [`item_url`] | what a list says, wherever it comes from and whatever its format |
//! | [`name`] | where the file of an item goes: never outside the target folder |
//! | [`flow`] | which item is next, and when: turns, pauses, hosts that ask to wait |
//! | [`run`] | processes the list, and decides what each outcome means |
//! | [`adopt`] | imports what a script has finished |
//! | [`report`] | the progress of a list, and its failures as a list |
//!
//! # What survives a crash
//!
//! What the ledger has acknowledged survives a kill, and a power cut if the ledger was opened for that.
//! "Done" is recorded only after the file is durable under its final name. An item in flight at a kill is
//! resumed from its part. Memory does not grow with the list (G8).

pub mod adopt;
pub mod flow;
pub mod format;
pub mod item_url;
pub mod name;
pub mod report;
pub mod run;
pub mod source;

mod item;
mod key;
mod occurrences;

pub use item::{Item, ItemUrl};
pub use key::{Content, ItemKey};
pub use occurrences::{Census, Occurrences};
