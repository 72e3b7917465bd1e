//! A simulated disk: deterministic, in memory, and as unkind as a real one may be.
//!
//! [`SimDisk`] keeps what programs see apart from what a power cut leaves, for each file and for
//! each directory entry. It fails or crashes at the k-th operation. [`Sabotage`] wraps any file
//! system and breaks one rule of the protocol, to show that a test would notice.
//!
//! What a power cut leaves is drawn from the seed, within what a journalling file system may do:
//!
//! - the bytes of a file: per 4 KiB block either what was synced or what was written since; of a file
//!   that grew, the new length with any of its new blocks holding zeros or what an older file left
//!   on the disk;
//! - creations, renames and removals: any selection in which each one comes with all earlier ones
//!   that touch the same names.
//!
//! A directory that is lost takes along what is in it. A file without a name is gone after any crash.
//!
//! A new file gets the inode number of one that was removed, wherever there is one; only its birth tells
//! them apart, and [`SimDisk::hide_births`] makes even that unknown.
//!
//! A failed sync leaves the new bytes visible and counts them as written, as Linux does: no later
//! sync puts them on the disk.
//!
//! [`SimDisk::ignore_locks`] makes locks do nothing, as on some network file systems.
//!
//! [`SimDisk::overlaid`] is one that does not tell how its whole-disk sync ended, and that loses a file
//! which was synced before it had a name, unless that sync came first: as an overlay on btrfs may.

mod dirs;
mod fault;
mod file;
mod forward;
mod handle;
mod rng;
mod sabotage;
mod sim;

pub use fault::{Crash, Failure, Fault, When};
pub use sabotage::{Broken, Sabotage};
pub use sim::SimDisk;
