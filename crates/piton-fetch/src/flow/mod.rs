//! How fast and over how many connections.

mod connections;
mod rate;
mod speed;

pub(crate) use connections::ConnectionCount;
pub use rate::RateLimit;
pub(crate) use speed::Speed;
