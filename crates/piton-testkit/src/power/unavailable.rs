//! Why a driver cannot run here.

use std::fmt;

/// Why a driver cannot run on this machine: not root, a tool or a kernel feature missing. The test
/// calls [`crate::skip`] with it and returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    reason: String,
}

impl Unavailable {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    pub(super) fn unless_root() -> Result<(), Self> {
        if rustix::process::geteuid().is_root() {
            Ok(())
        } else {
            Err(Self::new("needs root, to mount"))
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unavailable {}
