//! Each fault, seen by a client that knows nothing but sockets.

mod bodies;
mod client;
mod heads;
mod limits;
mod plain;
mod ranges;
mod secure;
