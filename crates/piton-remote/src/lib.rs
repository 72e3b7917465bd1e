//! One question to one server, in any protocol: the seam between the engine and the network.
//!
//! The engine of piton decides what to ask and what an answer is worth; a protocol asks and answers, in the
//! words of this crate. Nothing above it knows a status code, a header or a reply line.
//!
//! - [`Remote`] holds what all connections share. [`Remote::connection`] gives a [`Connection`]: one slot for
//!   one question at a time.
//! - [`Ask`] is a question: a URL, a range, and on what condition. [`Connection::ask`] puts it.
//! - [`Reply`] is the answer: a [`Head`] in neutral words, what the body [`Holds`], and the [`Body`], which is
//!   received straight into the buffer that is written to disk.
//! - [`AskError`] says why there is none: the exchange failed ([`RemoteError`]), or the server refused
//!   ([`Refusal`]). [`Meaning`] says what follows from either: may it be retried, whose fault is it, and which
//!   class is it of.
//! - [`Capabilities`] say what a protocol can do beyond that.
//! - A version of a resource is an [`Identity`](piton_checkpoint::Identity), which the journal keeps.
//!
//! The protocols are the folders: [`http`], and `file` for files of this machine. To add one, read
//! docs/adding-a-protocol.md.
//!
//! ```
//! use piton_remote::{Ask, Holds, Remote, http};
//!
//! # async fn first_bytes() -> Result<(), Box<dyn std::error::Error>> {
//! let remote = Remote::new(http::Config::default())?;
//! let mut connection = remote.connection();
//! let ask = Ask::new("https://example.com/big.iso".parse()?).range(0, Some(1023));
//! let mut reply = connection.ask(&ask).await?;
//! if let Holds::Part { first, end } = reply.holds {
//!     println!("bytes {first} to {end} of {:?}", reply.head.identity.size);
//! }
//! let mut bytes = [0; 1024];
//! let read = reply.body.read(&mut bytes).await?;
//! reply.body.finish(&mut connection); // the next question has the connection
//! # let _ = read;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is written to disk here, nothing is printed, and no environment is read.

mod ask;
mod blocking;
mod body;
mod capabilities;
mod connection;
mod decode;
pub mod digest;
mod error;
mod file;
pub mod http;
mod meaning;
pub mod netrc;
mod origin;
mod parse_error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod properties;
mod refusal;
mod reply;
mod time;

pub use ask::{Ask, ByteRange, Extra};
pub use blocking::blocking;
pub use body::Body;
pub use capabilities::{Capabilities, Connections};
pub use connection::{AskError, Connection, Remote};
pub use decode::utf8_or_latin1;
pub use error::{RemoteError, TlsFault, TlsRemedy};
pub use file::{LocalBytes, local_path};
pub use meaning::{FailureClass, Fault, Meaning, Retry};
pub use origin::{Origin, OriginError, host_of};
pub use parse_error::ParseError;
pub use refusal::{Refusal, RefusalKind};
pub use reply::{Head, Holds, Protocol, Reply, ServerDigest, modified};
pub use time::{compare_times, unix_nanoseconds};
