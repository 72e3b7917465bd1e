//! Why a file of another program is not adopted.

use crate::parse::aria2_control::ControlError;

/// Why a file is not imported. It is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unadoptable {
    /// Nothing but holes, or nothing at all.
    #[error("it holds no data")]
    Nothing,
    /// The control file claims nothing: aria2 writes it once a minute, and at its end unless it is killed.
    #[error("its control file marks nothing as finished")]
    Unclaimed,
    /// The first bytes are not those of the file on the server.
    #[error("it differs from the file on the server at offset {at}")]
    Differs {
        /// Offset of the first byte that differs.
        at: u64,
    },
    /// It cannot be the beginning of the file on the server.
    #[error("it is longer ({len} bytes) than the file on the server ({size} bytes)")]
    Longer {
        /// Length of the file here.
        len: u64,
        /// Length of the file on the server.
        size: u64,
    },
    /// The control file is about another file than the one on the server.
    #[error("its control file says {total} bytes, and the file on the server has {size}")]
    OtherSize {
        /// What the control file says.
        total: u64,
        /// Length of the file on the server.
        size: u64,
    },
    /// Without ranges and a length nothing can be compared, and nothing be resumed.
    #[error("the server does not support ranges for it, so nothing can be compared")]
    NoRanges,
    /// The server sends the file encoded although that was not asked for.
    #[error("the server sends the file encoded ({coding})")]
    Encoded {
        /// The coding, as the server names it.
        coding: String,
    },
    /// The control file cannot be used.
    #[error(transparent)]
    Control(#[from] ControlError),
}
