//! The bytes of a resource: held, or computed.

use std::sync::Arc;

use super::pattern;

/// The bytes of a resource.
#[derive(Clone, Debug)]
pub enum Body {
    /// Held in memory.
    Bytes(Arc<[u8]>),
    /// Computed by [`pattern::fill`]; any length costs nothing.
    Pattern {
        /// Which pattern.
        seed: u64,
        /// Length in bytes.
        len: u64,
    },
}

impl Body {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pattern { len, .. } => *len,
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies what lies at `offset` to `buf`; past the end come zeros, so that a lying server has
    /// bytes to send.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) {
        let have =
            usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let (inside, outside) = buf.split_at_mut(have);
        outside.fill(0);
        match self {
            Self::Bytes(_) if have == 0 => {}
            Self::Bytes(bytes) => inside.copy_from_slice(&bytes[offset as usize..][..have]),
            Self::Pattern { seed, .. } => pattern::fill(*seed, offset, inside),
        }
    }

    /// Calls `visit` with all bytes, piece by piece.
    pub(super) fn for_each_piece(&self, mut visit: impl FnMut(&[u8])) {
        let mut buf = vec![0; 1 << 20];
        let mut at = 0;
        while at < self.len() {
            let n = (self.len() - at).min(buf.len() as u64) as usize;
            self.read_at(at, &mut buf[..n]);
            visit(&buf[..n]);
            at += n as u64;
        }
    }
}
