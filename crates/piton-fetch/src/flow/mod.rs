//! How fast and over how many connections.

mod connections;
mod rate;
mod share;
mod speed;

pub(crate) use connections::ConnectionCount;
pub use rate::RateLimit;
pub use share::Share;
pub(crate) use speed::Speed;
