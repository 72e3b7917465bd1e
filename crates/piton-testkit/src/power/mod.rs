//! Power cuts on real file systems, as root on one machine.
//!
//! Two ways, since each finds what the other cannot:
//!
//! - [`Volume`]: a file system on a loop device, told by ioctl to forget all that is not yet durable. A cut takes some
//!   80 ms and happens at one instant of a real run.
//! - [`BlockLog`]: a file system on a disk that records every write and every flush. From one recording hundreds of crash
//!   states are built, also those in which the disk wrote late things first.
//!
//! Both say [`Unavailable`] where they cannot run. Neither leaves a mount or a loop device behind; what a killed test
//! process left is swept by the next one that starts.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod blocklog;
mod filesystem;
mod loop_device;
mod mount;
mod scratch;
mod shutdown;
mod unavailable;

pub use blocklog::{BlockLog, CrashState, Finding, Kept, Recording};
pub use filesystem::FsKind;
pub use shutdown::Volume;
pub use unavailable::Unavailable;
