//! Each fault, seen by a client that knows nothing but sockets.

mod client;
mod plain;
