//! Power cuts on real file systems, as root on one machine.
//!
//! Two ways, since each finds what the other cannot:
//!
//! - [`Volume`]: a file system on a loop device, told by ioctl to forget all that is not yet
//!   durable. A cut takes some tens of milliseconds and happens at one instant of a real run.
//! - [`BlockLog`]: a file system on a disk that records every write and every flush. From one
//!   recording hundreds of crash states are built, also those in which the disk wrote late things
//!   first.
//!
//! And [`FailingDisk`], a file system on a disk that fails when it is told to.
//!
//! All say [`Unavailable`] where they cannot run. None leaves a mount or a loop device behind;
//! what a killed test process left is swept by the next one that starts.
//!
//! ```no_run
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering::SeqCst}};
//! use piton_testkit::power::{BlockLog, FsKind};
//!
//! let log = match BlockLog::create(FsKind::Ext4, 64 << 20) {
//!     Ok(log) => log,
//!     Err(reason) => return Ok(piton_testkit::skip(reason)),
//! };
//! let acknowledged = Arc::new(AtomicU64::new(0));
//! let stamp = Arc::clone(&acknowledged);
//! log.record(move || stamp.load(SeqCst))?;
//! std::fs::write(log.path().join("file"), "text")?;
//! std::fs::File::open(log.path().join("file"))?.sync_all()?;
//! std::fs::File::open(log.path())?.sync_all()?;
//! acknowledged.store(1, SeqCst);
//! let mut recording = log.finish()?;
//! let states = recording.states(1, 500);
//! let wrong = recording.check(&states, |dir, acknowledged| {
//!     if acknowledged == 0 || dir.join("file").exists() { Ok(()) } else { Err("lost".into()) }
//! })?;
//! assert!(wrong.is_empty(), "{wrong:#?}");
//! # Ok::<(), std::io::Error>(())
//! ```

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod blocklog;
mod filesystem;
mod loop_device;
mod mount;
mod scratch;
mod shutdown;
mod unavailable;

/// How many crash states a test is to try where they are cheap: what `PITON_POWER_STATES` says, or 500.
/// Tests of dearer ones take a fixed part of it.
pub fn wanted_states() -> usize {
    let given = std::env::var("PITON_POWER_STATES").ok();
    given.map_or(500, |count| count.parse().expect("PITON_POWER_STATES is a number"))
}

pub use blocklog::{BlockLog, CrashState, Failing, FailingDisk, Finding, Kept, Layer, Recording};
pub use filesystem::FsKind;
pub use shutdown::Volume;
pub use unavailable::Unavailable;
