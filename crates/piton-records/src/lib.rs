//! Records in, results out, each once: a program processes a huge file, stops anywhere, and resumes exactly there.
//!
//! # A job
//!
//! ```
//! use piton_records::Job;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = |name| dir.path().join(name);
//! # std::fs::write(path("names.txt"), "ada\ngrace\n")?;
//! let mut job = Job::open(path("greet"))?;             // what earlier runs have done
//! let mut out = job.output(path("greetings.txt"))?;    // cut back to that
//! for record in job.lines(path("names.txt"))? {        // starts behind it
//!     let record = record?;
//!     let name = String::from_utf8_lossy(&record).into_owned();
//!     out.line(&record, format!("hello, {name}"))?;    // counts when the next record is asked for
//! }
//! job.finish()?;
//! assert_eq!(std::fs::read_to_string(path("greetings.txt"))?, "hello, ada\nhello, grace\n");
//! # Ok(())
//! # }
//! ```
//!
//! Kill it anywhere and run it again: the output is byte for byte what a run without the kill writes. A record is done
//! when the next one is asked for; an error, a `break` and a crash leave it undone, and nothing that was written for it
//! counts. `docs/records.md` in the repository says what holds for each source and output, and what proves it.
//!
//! # The rooms
//!
//! - [`Job`]: sources ([`Job::lines`], [`Job::delimited`], [`Job::csv`], [`Job::chunks`], [`Job::range`],
//!   [`Job::positions`]) and outputs ([`Job::output`], [`Job::append`]); [`Builder`] has the choices.
//! - [`framing`]: where records end, for any way to cut the input into buffers.
//! - [`Growth`], [`Changed`] and [`SourceChange`]: what is noticed of a source that is not what was read before, and
//!   what may be done about it.
//! - [`Checkpoints`]: when what is done survives a kill, and when a power cut.
//!
//! - [`inspect`] and [`find_jobs`]: what jobs there are and how far each is, without a lock and without changing anything;
//!   [`forget`] gives one up.
//!
//! The state is in a [`Store`](piton_checkpoint::store::Store): a journal beside the job's name, a JSON file, an SQLite
//! database, or, with the feature `redis`, a Redis server ([`Builder::state`]).
//! This library does not print, exit or read the environment. A job stays on the thread that opened it.

mod body;
mod bookmark;
pub mod command;
mod error;
mod forget;
pub mod framing;
mod inspect;
mod job;
mod noted;
mod output;
pub mod parallel;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod properties;
mod record;
mod source;
mod start;
mod state;
mod stream;

pub use body::Body;
pub use bookmark::{Bookmark, RecordFile};
pub use error::Error;
pub use forget::{Forgotten, forget};
pub use framing::Framing;
pub use inspect::{Inspected, Known, ResultsAt, find_jobs, inspect, name_of, state_beside};
pub use job::{
    Builder, Checkpoints, Files, FilesPosition, Items, Job, Numbers, Output, Own, Records,
};
pub use noted::{Noted, NotedError};
pub use output::Foreign;
pub use record::{Entry, Item, Record, RecordRef};
pub use source::{Changed, Compression, Growth, Position, SourceChange};
pub use start::Start;
