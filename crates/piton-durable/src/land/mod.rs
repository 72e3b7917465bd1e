//! Landing: a small file, whole and verified in memory, gets its final name and is durable.
//!
//! It has no part and no journal. Its bytes go into a file that has no name (`O_TMPFILE`), which is made
//! durable, then linked to its final name; then that name is made durable, and only then is the landing
//! reported. So the final name never belongs to a partial file (G1), and a crash leaves nothing behind.
//!
//! Many files share their syncs. A [`Pipeline`] does one cycle after another:
//!
//! ```text
//! cycle k     write group k │ sync the file system │ report group k-1 │ link group k
//! cycle k+1   write group k+1 │ sync the file system │ report group k │ link group k+1
//! ```
//!
//! One sync makes the bytes of one group and the names of the group before durable. When nothing more
//! comes, a sync of each folder makes the names durable. A [`Lander`] runs the cycles on a thread of
//! its own and accepts no more than may be lost (G2, G8).

mod lander;
mod pipeline;
mod steps;

use std::path::PathBuf;
use std::time::SystemTime;

pub use lander::{Lander, Room};
pub use pipeline::Pipeline;

use crate::fs::Existing;
use crate::part::{Durability, PartError};

/// A small file to save under its final name.
#[derive(Debug, Clone)]
pub struct Landing {
    /// The final name. Missing folders are created.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// What happens to an existing file of the final name.
    pub existing: Existing,
    /// Time of last modification to set.
    pub modified: Option<SystemTime>,
    /// Extended attributes to set, where the file system has them.
    pub attributes: Vec<(String, Vec<u8>)>,
    /// What a crash may cost. Only with [`Durability::Power`] anything is synced.
    pub durability: Durability,
}

/// How a landing ended without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed {
    /// The file is there and as durable as was asked for.
    There,
    /// The file system has no files without a name. Nothing was done; these are the bytes.
    NotHere(Vec<u8>),
}

/// Called with the end of a landing, on the thread of the cycle. Must not block.
pub type Told = Box<dyn FnOnce(Result<Landed, PartError>) + Send>;
