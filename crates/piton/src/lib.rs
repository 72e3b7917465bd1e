//! Downloads that go on exactly where they stopped, whatever stopped them: Ctrl-C, `kill -9`, a power
//! cut, a full disk, a dropped connection, a file that changed on the server.
//!
//! This is the library behind the `piton` command, for programs that want the same. It gathers the
//! rooms of the house; `docs/guarantees.md` in the repository states what holds, and what proves it.
//!
//! # One file
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use piton::durable::fs::OsFs;
//! use piton::remote::{Remote, http::Config};
//! use piton::fetch::{Client, Download, Monitor, Place, Stop};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Remote::new(Config::default())?, Arc::new(OsFs));
//! let url = "https://example.com/big.iso".parse()?;
//! let what = Download::new(url, Place::Folder("downloads".into()));
//! let outcome = client.download(what, Monitor::default(), Stop::new()).await?;
//! println!("{}: {} bytes", outcome.path.display(), outcome.size);
//! # Ok(())
//! # }
//! ```
//!
//! While it runs, `downloads` holds `big.iso.part` (the bytes) and `big.iso.piton` (the journal, which
//! says which of them may be believed). `big.iso` appears at the end, whole and verified. After a
//! crash the same call resumes; there is nothing to clean up and no flag to set.
//!
//! # Choices, and what is known of the file
//!
//! [`fetch::Download`] has a public field per choice. A digest makes exit and content one thing:
//!
//! ```
//! use piton::durable::part::Durability;
//! use piton::fetch::{Connections, Download, IfExists, Place};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://example.com/big.iso".parse()?;
//! let mut what = Download::new(url, Place::File("/data/big.iso".into()));
//! what.digests.push(
//!     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?,
//! );
//! what.connections = Connections::Fixed(8.try_into()?);
//! what.if_exists = IfExists::Rename;
//! what.durability = Durability::Process; // survives kill -9, leaves the syncs out
//! # Ok(())
//! # }
//! ```
//!
//! # Watching, stopping, going on
//!
//! A [`fetch::Monitor`] is polled for figures, or tells a [`fetch::Observer`] what happens;
//! [`fetch::Stop`] ends a download with everything saved. `examples/resume.rs` stops a download half-way
//! and goes on with it, against a server that it starts itself:
//!
//! ```text
//! cargo run -p piton --example resume
//! ```
//!
//! [`fetch::find_unfinished`] and [`fetch::inspect`] tell what lies unfinished on a disk without a lock
//! and without touching anything.
//!
//! # Records
//!
//! A [`job`] goes through a huge file record by record, is stopped anywhere, and resumes exactly there: each result is in
//! the output once.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = |name| dir.path().join(name);
//! # std::fs::write(path("big.log"), "GET /a\nPOST /b\n")?;
//! let mut job = piton::job(path("methods"))?;
//! let mut out = job.output(path("methods.txt"))?;
//! for record in job.lines(path("big.log"))? {
//!     let record = record?;
//!     let method = record.split(|byte| *byte == b' ').next().unwrap_or_default();
//!     out.line(&record, method)?; // counts when the next record is asked for
//! }
//! job.finish()?;
//! assert_eq!(std::fs::read_to_string(path("methods.txt"))?, "GET\nPOST\n");
//! # Ok(())
//! # }
//! ```
//!
//! # When it fails
//!
//! [`fetch::Failure`] says what failed, on what and why; [`fetch::Failure::meaning`] whether the same call may
//! succeed later, whose fault it is, and of which class it is. In every case the state on disk is good.
//!
//! # The rooms
//!
//! | module | crate | what it knows |
//! |---|---|---|
//! | [`durable`] | `piton-durable` | files that survive: part, journal, lock, atomic replace |
//! | [`checkpoint`] | `piton-checkpoint` | what is done, what is still the same, when to try again |
//! | [`fetch`] | `piton-fetch` | one resource to one place, over HTTP |
//! | [`lists`] | `piton-lists` | many resources, each with its outcome |
//! | [`records`] | `piton-records` | records in, results out, each once |
//!
//! Each can be used without those below it in this table. None of them reads the environment,
//! draws, or exits. They run on Linux.

pub use piton_checkpoint as checkpoint;
pub use piton_durable as durable;
pub use piton_fetch as fetch;
pub use piton_lists as lists;
pub use piton_records as records;
pub use piton_remote as remote;

/// Takes the job of this name: a path, beside which `NAME.piton-job` holds its state. [`records::Job::builder`] has the
/// choices.
///
/// # Errors
/// Another run has it, or its state is damaged; nothing was changed then.
pub fn job(name: impl AsRef<std::path::Path>) -> Result<records::Job, records::Error> {
    records::Job::open(name)
}
