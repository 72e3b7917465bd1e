//! Real servers from Debian packages, each on a free loopback port with its files in a temporary
//! directory, and the built `piton` run against them.
//!
//! A server lives as long as its value: dropping it kills its process group. Where the program is
//! missing, `available()` says which package has it, and a test calls [`crate::skip`] and returns.

mod between;
mod command;
mod group;
mod nginx;
mod port;
mod process;
mod redis;
mod socks;
mod squid;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use self::between::{Between, Rule};
pub use self::command::{Invocation, Outcome, StopWhen, data_bytes};
pub use self::nginx::{Access, Nginx, NginxBuilder};
pub use self::redis::Redis;
pub use self::socks::Socks5;
pub use self::squid::Squid;

/// A program that is not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The program.
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not installed (Debian package {})", self.program, self.package)
    }
}

impl std::error::Error for Missing {}

/// Where a program of this Debian package is. Daemons live in directories that the path of a normal user leaves out.
///
/// # Errors
/// [`Missing`] names the package.
pub fn find(program: &'static str, package: &'static str) -> Result<PathBuf, Missing> {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.is_file())
        .ok_or(Missing { program, package })
}
