//! The digest that a file should have: an algorithm and its value. Nothing is computed here.

mod algorithm;
mod value;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use value::{Digest, DigestError};
