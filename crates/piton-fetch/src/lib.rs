//! One resource to one place.
#![allow(missing_docs)]

pub mod digest;
pub mod parse;
pub mod transport;

mod client;
mod download;
mod engine;
mod error;
mod flow;
mod meta;
mod monitor;
mod plan;
mod resume;
mod sink;

pub use client::{Client, Plan, Stop};
pub use download::{Connections, Download, IfChanged, IfExists, Outcome, Place, RateLimit};
pub use error::{Failure, Fault};
pub use meta::{Meta, Unfinished, find_unfinished, inspect};
pub use monitor::{Event, Monitor, Observer, Phase, Piece, Progress};
