//! microsocks, a SOCKS5 proxy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::process::{Place, Process};
use super::{Missing, find};

/// A running SOCKS5 proxy.
#[derive(Debug)]
pub struct Socks5 {
    process: Process,
    login: Option<(String, String)>,
}

impl Socks5 {
    /// Whether microsocks is installed.
    pub fn available() -> Result<(), Missing> {
        program().map(drop)
    }

    /// A proxy for everyone.
    ///
    /// # Panics
    ///
    /// When microsocks is missing (ask [`Socks5::available`] first) or does not start.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// A proxy that asks for this name and password (RFC 1929).
    ///
    /// # Panics
    ///
    /// As [`Socks5::start`].
    pub fn start_with_login(user: &str, password: &str) -> Self {
        Self::launch(Some((user.to_owned(), password.to_owned())))
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.process.addr()
    }

    /// The URL to give as a proxy that resolves names itself, without a login.
    pub fn url(&self) -> String {
        format!("socks5h://{}", self.addr())
    }

    /// The URL to give as a proxy, with the login that it asks for.
    pub fn url_with_login(&self) -> String {
        match &self.login {
            Some((user, password)) => format!("socks5h://{user}:{password}@{}", self.addr()),
            None => self.url(),
        }
    }

    /// How many connections it made for clients.
    pub fn connections(&self) -> usize {
        self.process.read("output.log").lines().filter(|line| line.contains("connected to")).count()
    }

    /// Its logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    fn launch(login: Option<(String, String)>) -> Self {
        let program = program().unwrap_or_else(|missing| panic!("{missing}"));
        let place = Place::new();
        let addr = place.addr();
        let mut command = Command::new(program);
        command.arg("-i").arg(addr.ip().to_string()).arg("-p").arg(addr.port().to_string());
        if let Some((user, password)) = &login {
            command.args(["-u", user, "-P", password]);
        }
        Self { process: place.start(&mut command), login }
    }
}

fn program() -> Result<PathBuf, Missing> {
    find("microsocks", "microsocks")
}
