//! One resource to one place: downloads that no crash, server or network can spoil.
//!
//! A [`Client`] carries out a [`Download`]: a URL, a [`Place`], and choices. It asks the server
//! with a ranged GET whose body is already the first segment, splits what is left over as many
//! connections as are measured to help, writes every byte by position into `NAME.part`, keeps
//! in `NAME.piton` a journal of what may be believed after a crash, compares all digests that are
//! known, and only then gives the file its name. The same call again resumes where the last one
//! stopped, whatever stopped it.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use piton_durable::fs::OsFs;
//! use piton_remote::{Remote, http::Config};
//! use piton_fetch::{Client, Download, Monitor, Place, Stop};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Remote::new(Config::default())?, Arc::new(OsFs));
//! let url = "https://example.com/big.iso".parse()?;
//! let mut what = Download::new(url, Place::Folder("downloads".into()));
//! what.digests.push(
//!     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?,
//! );
//! // Figures to poll while it runs, and a way to stop with everything saved.
//! let (monitor, stop) = (Monitor::default(), Stop::new());
//! let outcome = client.download(what, monitor, stop).await?;
//! println!("{} ({} bytes)", outcome.path.display(), outcome.size);
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | room | what it decides |
//! |---|---|
//! | `adopt` | whether a file that another program began may be resumed |
//! | `engine` | one download from the call to the end |
//! | `plan` | which connection fetches which bytes |
//! | `flow` | how fast, over how many connections |
//! | `resume` | whether an answer may be joined with what is here |
//! | `sink` | how bytes get into the part, become durable, and are hashed |
//! | [`parse`] | every name and list that somebody else wrote |
//! | [`digest`] | checksums whose state survives a restart |
//! | [`redact`] | text that may be shown: without logins |
//!
//! # What survives
//!
//! A [`Failure`] of any kind leaves the part and the journal good: the same call resumes. What a
//! kill or a power cut costs at most is in `docs/guarantees.md`. This crate reads no environment,
//! draws nothing and exits nothing.

pub mod digest;
pub mod parse;
pub mod redact;

mod adopt;
mod at_stake;
mod client;
mod download;
mod engine;
mod failure;
mod flow;
mod meta;
mod monitor;
mod plan;
mod resume;
mod sink;
mod stop;

pub use adopt::{Adopted, Adoption, Evidence, Leftover, Unadoptable};
pub use client::Client;
pub use download::{
    Connections, Download, IfChanged, IfExists, Mirror, Outcome, Place, Plan, RateLimit, Share,
};
pub use failure::{Failure, FailureClass, Fault, Meaning, NotTheFile, Retry};
pub use meta::{Meta, MirrorNote, ServerDigest, Unfinished, find_unfinished, inspect};
pub use monitor::{Event, Monitor, Observer, Phase, Piece, Progress};
pub use resume::Appearance;
pub use stop::Stop;
