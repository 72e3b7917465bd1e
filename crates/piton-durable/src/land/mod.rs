//! Landing: a small file, whole and verified in memory, gets its final name and is durable.
//!
//! It has no part and no journal. Its bytes go into a file that has no name (`O_TMPFILE`), which is made
//! durable, then linked to its final name; then that name is made durable; and only then is whoever asked
//! told. So at no instant a file that is not whole stands under the final name (G1), and a crash leaves
//! nothing behind.
//!
//! Many files share their syncs. A [`Pipeline`] does one cycle after another:
//!
//! ```text
//! cycle k     write group k │ sync the file system │ tell group k-1 │ link group k
//! cycle k+1   write group k+1 │ sync the file system │ tell group k │ link group k+1
//! ```
//!
//! One sync makes the bytes of one group and the names of the group before durable. When nothing more
//! comes the names are made durable by a sync of each folder. A [`Lander`] runs the cycles on a thread of
//! its own and takes no more than can be lost without harm (G2, G8).

mod lander;
mod pipeline;
mod steps;

use std::path::PathBuf;
use std::time::SystemTime;

pub use lander::{Lander, Room};
pub use pipeline::Pipeline;

use crate::fs::Existing;
use crate::part::{Durability, PartError};

/// A small file that is to get its final name.
#[derive(Debug, Clone)]
pub struct Landing {
    /// The final name. Missing folders on the way to it are made.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
    /// What happens to a file that stands under the final name.
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
    /// The file system has no files without a name. Nothing was done, and these are the bytes again.
    NotHere(Vec<u8>),
}

/// Is told how a landing ended, on the thread of the cycle. Must not block.
pub type Told = Box<dyn FnOnce(Result<Landed, PartError>) + Send>;
