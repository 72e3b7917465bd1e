//! Fault-injecting servers, a simulated disk, small real ones, kill-at-k and power-cut drivers, hostile
//! input.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod disk;
pub mod hostile;
pub mod power;
pub mod real;
pub mod seed;
pub mod server;
#[cfg(feature = "stores")]
pub mod stores;
pub mod syscalls;

#[doc(hidden)]
pub use piton_durable as durable;

mod skip;
mod small_disk;

pub use skip::skip;
pub use small_disk::SmallDisk;
