//! The test kit's own tests: a driver that sees nothing would prove nothing.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod child;
mod root_only;
mod syscalls;
