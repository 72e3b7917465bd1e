//! Fault-injecting servers, a simulated disk, kill-at-k and power-cut drivers.

pub mod disk;
pub mod power;
pub mod real;
pub mod seed;
pub mod server;
pub mod syscalls;

mod skip;

pub use skip::skip;
