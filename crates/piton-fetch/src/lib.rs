//! piton-fetch
#![allow(missing_docs)]

pub mod digest;
pub mod parse;
pub mod transport;
