//! A Redis server that can be killed and started again with what it kept.

#![allow(clippy::disallowed_methods, reason = "files of a test kit need not survive a crash")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::group::Group;
use super::process::Place;
use super::{Missing, find};

const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis server with a directory of its own.
#[derive(Debug)]
pub struct Redis {
    place: Place,
    options: Vec<String>,
    life: Option<Group>,
}

impl Redis {
    /// Whether Redis is installed.
    pub fn available() -> Result<(), Missing> {
        program().map(drop)
    }

    /// A server with these options, as on its command line: `["--appendonly", "yes"]`. Without any it keeps nothing.
    ///
    /// # Panics
    ///
    /// When Redis is missing (ask [`Redis::available`] first) or does not start.
    pub fn start(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut redis = Self { place: Place::new(), options, life: None };
        redis.restart(&[]);
        redis
    }

    /// A server that syncs its log before each answer.
    pub fn that_keeps_everything() -> Self {
        Self::start(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Kills it, if it lives, and starts it again, with these options more, on the same port and in the same directory.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn restart(&mut self, options: &[&str]) {
        self.kill();
        let dir = self.place.dir();
        let log = std::fs::File::create(dir.join("output.log")).expect("a log file");
        let mut command = Command::new(program().unwrap_or_else(|missing| panic!("{missing}")));
        command
            .args(["--bind", "127.0.0.1", "--port", &self.addr().port().to_string()])
            .args(["--save", "", "--daemonize", "no", "--dir"])
            .arg(dir)
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.options)
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log file"))
            .stderr(log)
            .process_group(0);
        self.life = Some(Group::new(command.spawn().expect("to start Redis")));
        let start = Instant::now();
        while !self.is_ready() {
            let lives = self.life.as_ref().is_some_and(|life| !life.has_ended());
            assert!(lives && start.elapsed() < PATIENCE, "Redis does not start\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut life) = self.life.take() {
            life.end();
        }
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.place.addr()
    }

    /// The socket it listens on too.
    pub fn socket(&self) -> PathBuf {
        self.place.dir().join("redis.sock")
    }

    /// Its directory, with what it keeps.
    pub fn dir(&self) -> &Path {
        self.place.dir()
    }

    /// The URL of database 0.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// Sends one command and returns the answer as it comes, without what marks its type; errors with their `-`.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub fn ask(&self, words: &[&str]) -> String {
        self.try_ask(words).unwrap_or_else(|error| panic!("{words:?}: {error}\n{}", self.logs()))
    }

    /// Its logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        let log = std::fs::read(self.dir().join("output.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn is_ready(&self) -> bool {
        // With a password it answers with an error, and listens.
        self.try_ask(&["PING"]).is_ok_and(|answer| answer == "PONG" || answer.contains("NOAUTH"))
    }

    fn try_ask(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.addr())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(command.as_bytes())?;
        let mut answers = BufReader::new(stream);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("$", len)) if len != "-1" => {
                let mut text = vec![0; len.parse().map_err(std::io::Error::other)?];
                answers.read_exact(&mut text)?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            Some(("+" | ":" | "$" | "*", text)) => Ok(text.to_owned()),
            Some(_) => Ok(line.to_owned()),
            None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Result<PathBuf, Missing> {
    find("redis-server", "redis-server")
}
