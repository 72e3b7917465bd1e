//! How many connections one of many downloads may use.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// How many of the connections that many downloads have together one of them may use. It may change while
/// the download continues; clones are the same share.
#[derive(Debug, Clone)]
pub struct Share(Arc<AtomicU16>);

impl Share {
    /// A share of so many connections.
    pub fn new(connections: NonZeroU16) -> Self {
        Self(Arc::new(AtomicU16::new(connections.get())))
    }

    /// From now on this many. More are used once they are measured to help.
    pub fn set(&self, connections: NonZeroU16) {
        self.0.store(connections.get(), Ordering::Relaxed);
    }

    /// How many it is now.
    pub fn get(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }
}
