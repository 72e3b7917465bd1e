//! A server process with its directory, killed with all its children when dropped.

#![allow(clippy::disallowed_methods, reason = "files of a test kit need not survive a crash")]

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::group::Group;
use super::port::Port;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub(super) struct Process {
    group: Group,
    dir: TempDir,
    port: Port,
}

/// A directory and a port for a server that is to be started.
#[derive(Debug)]
pub(super) struct Place {
    dir: TempDir,
    port: Port,
}

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("piton-real-")
            .tempdir()
            .expect("a temporary directory");
        Self { dir, port: Port::free() }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Writes a file into the directory.
    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        std::fs::write(&path, text).expect("to write a file of the server");
        path
    }

    /// Starts the server and returns once it accepts connections; stdout and stderr go to
    /// `output.log`.
    ///
    /// # Panics
    ///
    /// When it does not start; the message has its logs.
    pub(super) fn start(self, command: &mut Command) -> Process {
        let output = std::fs::File::create(self.dir().join("output.log")).expect("a log file");
        let errors = output.try_clone().expect("a second handle of the log file");
        let child =
            command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let Self { dir, port } = self;
        let process = Process { group: Group::new(child.expect("to start the server")), dir, port };
        process.wait_until_ready();
        process
    }
}

impl Process {
    pub(super) fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// A file in the directory of the server; empty when there is none.
    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read(self.dir.path().join(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into())
            .unwrap_or_default()
    }

    /// All logs, for the message of a failed test.
    pub(super) fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".log") {
                text.push_str(&format!("--- {name}\n{}", self.read(&name)));
            }
        }
        text
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        while TcpStream::connect(self.addr()).is_err() {
            assert!(
                !self.group.has_ended() && start.elapsed() < PATIENCE,
                "the server does not listen on {}\n{}",
                self.addr(),
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.end();
        // Killed workers take a moment to let go of the socket they inherited.
        let start = Instant::now();
        while TcpStream::connect(self.addr()).is_ok() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
