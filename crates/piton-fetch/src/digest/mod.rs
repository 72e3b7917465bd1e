//! Digests: what a file should hash to, and hashers whose state survives a restart.
//!
//! A digest given by the user or by the server is the last word on whether a file is right (guarantee
//! G1). [`Algorithm`] and [`Digest`] name one; [`Hasher`] computes one from bytes in order, and its
//! [`Hasher::save`] and [`Hasher::restore`] let the journal carry the midstate, so that a resume does
//! not read the file again.

mod blake3_tree;
mod hasher;
mod pieces;
mod saved;

pub use hasher::Hasher;
pub use pieces::{Pieces, PiecesError};
pub use piton_remote::digest::{Algorithm, Digest, DigestError, UnknownAlgorithm};
pub use saved::{RestoreError, SavedState};
