//! Crash-safe files: what a program needs so that a kill, a power cut or a full disk costs little
//! and no wrong byte is ever believed. Synchronous, Linux, no network.
//!
//! # A tour
//!
//! [`part::Part`] is a file that is being downloaded: `NAME.part` holds its bytes and `NAME.piton`, the
//! journal, says which of them may be believed. The steps of a download, and of its resumption:
//!
//! ```
//! use std::sync::Arc;
//!
//! use piton_durable::crc::crc32c;
//! use piton_durable::fs::{Existing, OsFs};
//! use piton_durable::part::{Extent, Finish, OpenPart, Opened, Part, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let target = Target::new(dir.path().join("greeting"));
//! let open = || Part::open(Arc::new(OsFs), &target, OpenPart::default());
//!
//! // The first run: lock, begin, write, claim, checkpoint.
//! let Opened::Part(part, found) = open()? else { panic!("it was not finished") };
//! assert_eq!(found.meta, None);
//! part.begin(b"where it comes from", Some(12))?;
//! part.write(b"hello ", 0)?;
//! part.claim(Extent { start: 0, len: 6, crc: crc32c(b"hello ") })?; // survives a kill
//! part.checkpoint()?; // survives a power cut
//! drop(part); // or a crash
//!
//! // The second run learns what may be believed, and fetches the rest.
//! let Opened::Part(part, found) = open()? else { panic!("it was not finished") };
//! assert_eq!(found.meta.as_deref(), Some(&b"where it comes from"[..]));
//! assert_eq!(found.extents.iter().map(Extent::range).collect::<Vec<_>>(), [0..6]);
//! part.write(b"world\n", 6)?;
//! part.claim(Extent { start: 6, len: 6, crc: crc32c(b"world\n") })?;
//!
//! let existing = Existing::Keep;
//! let path =
//!     part.finish(Finish { len: 12, existing, mode: None, modified: None, attributes: vec![] })?;
//! assert_eq!(std::fs::read(path)?, b"hello world\n");
//! # Ok(())
//! # }
//! ```
//!
//! - [`part::Foreign`]: a file that another program began, to be adopted as a part.
//! - [`journal`]: the format, a reader that is safe on any bytes, and [`journal::read`] for looking at a
//!   journal that may be in use. `docs/journal-format.md` draws the bytes and the protocol.
//! - [`framed`]: the same kind of log for a program's own state, with [`framed::Log`].
//! - [`held`]: a file that one process holds and replaces as a whole, renames or moves aside.
//! - [`land`]: small files from memory to their final names, thousands a second, with shared syncs.
//! - [`lock`]: one owner for each file, with nothing left behind when it dies.
//! - [`links`]: where a file is written if its name is a symbolic link.
//! - [`own`]: whether a state file was left by an earlier run, or was planted.
//! - [`dirs`]: directories that survive a power cut.
//! - [`replace`]: atomic replacement of a file.
//! - [`room`]: whether a disk is full, or only something large did not fit.
//! - [`verify`]: bytes read back and compared with their CRC, or written again.
//! - [`fs`]: the operations that all of this is made of, as a trait. [`fs::OsFs`] is the real one; the
//!   test kit has a simulated disk that crashes and fails at any chosen operation.
//!
//! # What survives what
//!
//! | after this has returned | a kill | a power cut |
//! |---|---|---|
//! | [`part::Part::begin`] | the description | the description |
//! | [`part::Part::write`] | nothing | nothing |
//! | [`part::Part::claim`], `put_meta`, `put_hash` | it | perhaps; claims that are no longer true are noticed |
//! | [`part::Part::checkpoint`] | everything before | everything before |
//! | [`part::Part::forget`] | the claims stay gone | the claims stay gone |
//! | [`part::Foreign::adopt`] | the part and its claims | the part and its claims |
//! | [`part::Part::finish`] | the final file | the final file |
//! | [`land::Lander`] has reported it | the final file | the final file |
//! | [`dirs::create`] | the directories | the directories |
//! | [`found::settle`] | the file | the file |
//! | [`replace::replace`], `replace_from` | the new file | the new file |
//! | [`framed::Log::append`] | the frame | it, once [`framed::Log::file`] was synced |
//! | [`held::Held::create`], `replace`, `rename`, `set_aside` | the new file or name | the new file or name |
//!
//! The right column holds for [`part::Durability::Power`]. In every case, even if the process or the
//! machine stops at any instant before: the final name belongs to the file that had it before, or to the
//! whole new one; and [`part::Part::open`] believes only what a synced record or a matching checksum
//! proves.
//!
//! # When something fails
//!
//! After a failed sync the part refuses every further write with the same error: the system has dropped
//! what it could not write, and a second sync would succeed. Opening the part again starts from what is
//! proven. The part refuses writes too once part or journal have lost their names: what another program put
//! there is neither renamed nor removed ([`part::PartError::Exchanged`]). A full disk leaves the journal
//! with its last good record, and claims stay valid.

mod beside;
pub mod crc;
pub mod dirs;
pub mod extent;
pub mod found;
pub mod framed;
pub mod fs;
pub mod held;
pub mod journal;
pub mod land;
pub mod links;
pub mod lock;
mod metadata;
mod named;
pub mod own;
pub mod part;
pub mod replace;
pub mod room;
pub mod verify;
