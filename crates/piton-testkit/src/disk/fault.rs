//! What goes wrong, and when.

use std::io;

/// Something that goes wrong at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation, counted from 1 since [`super::SimDisk::restart`] or the start.
    pub at: u64,
    /// What happens there.
    pub failure: Failure,
}

/// What happens at the operation of a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The process dies. Every later operation fails until [`super::SimDisk::restart`].
    Crash(Crash, When),
    /// The operation fails with this error number and does nothing; a failed sync loses what it was
    /// to make durable.
    Error(i32),
    /// A write or read does half its work and reports that; other operations succeed.
    Short,
}

/// What kind of death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: what it wrote is there.
    Kill,
    /// The power is cut: what was not synced may be lost.
    Power,
}

/// Where in the operation a crash comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before it.
    Before,
    /// Half-way through a write; otherwise after.
    Half,
    /// After it, unseen by the caller.
    After,
}

/// What an operation is to do, decided by the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Whole,
    Half,
    Fail(i32),
    /// Do it (whole or half), then die.
    Last(Crash, When),
}

pub(super) fn dead() -> io::Error {
    io::Error::other("the simulated process is dead")
}
