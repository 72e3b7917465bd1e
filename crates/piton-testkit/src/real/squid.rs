//! squid, a forward proxy that keeps nothing.

#![allow(clippy::disallowed_methods, reason = "files of a test kit need not survive a crash")]

use std::fs::{Permissions, set_permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Place, Process};
use super::{Missing, find};

/// A running squid.
#[derive(Debug)]
pub struct Squid {
    process: Process,
    /// Dropped after the process.
    _shared_memory: SharedMemory,
    login: Option<(String, String)>,
}

impl Squid {
    /// Whether squid is installed.
    pub fn available() -> Result<(), Missing> {
        program().map(drop)
    }

    /// A proxy for everyone, `CONNECT` to any port included.
    ///
    /// # Panics
    ///
    /// When squid is missing (ask [`Squid::available`] first) or does not start.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// A proxy that asks for this name and password (letters and digits only) with 407.
    ///
    /// # Panics
    ///
    /// As [`Squid::start`].
    pub fn start_with_login(user: &str, password: &str) -> Self {
        Self::launch(Some((user.to_owned(), password.to_owned())))
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.process.addr()
    }

    /// The URL to give as a proxy, without a login.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The URL to give as a proxy, with the login that it asks for.
    pub fn url_with_login(&self) -> String {
        match &self.login {
            Some((user, password)) => format!("http://{user}:{password}@{}", self.addr()),
            None => self.url(),
        }
    }

    /// Status, method and target (a URL, or `host:port` for `CONNECT`) of the requests that have
    /// ended.
    pub fn requests(&self) -> Vec<(u16, String, String)> {
        let log = self.process.read("access.log");
        let parse = |line: &str| {
            let mut words = line.split(' ');
            Some((words.next()?.parse().ok()?, words.next()?.to_owned(), words.next()?.to_owned()))
        };
        log.lines().filter_map(parse).collect()
    }

    /// Its logs, for the message of a failed test.
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    fn launch(login: Option<(String, String)>) -> Self {
        let program = program().unwrap_or_else(|missing| panic!("{missing}"));
        let place = Place::new();
        // Started by root, squid becomes the user `proxy`, who has to write here.
        set_permissions(place.dir(), Permissions::from_mode(0o777))
            .expect("the right to open the directory");
        let access = match &login {
            None => "http_access allow all".to_owned(),
            Some((user, password)) => {
                let helper = place.write("login", &helper(user, password));
                set_permissions(&helper, Permissions::from_mode(0o755))
                    .expect("the right to open a file");
                format!(
                    r"auth_param basic program {}
auth_param basic children 1
auth_param basic realm piton
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all",
                    helper.display()
                )
            }
        };
        let config = place.write("squid.conf", &config(&place, &access));
        let shared_memory = SharedMemory::of(place.dir());
        let mut command = Command::new(program);
        command.args(["-N", "-n", &shared_memory.service]).arg("-f").arg(config);
        command.current_dir(place.dir());
        Self { process: place.start(&mut command), _shared_memory: shared_memory, login }
    }
}

/// squid keeps a segment of shared memory under its service name even when it shares with nobody,
/// and a killed one leaves it behind, in the way of the next one of that name.
#[derive(Debug)]
struct SharedMemory {
    service: String,
}

impl SharedMemory {
    /// A service name of its own: the random end of the name of the directory.
    fn of(dir: &Path) -> Self {
        remove_what_others_left();
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        Self { service: name.chars().filter(char::is_ascii_alphanumeric).collect() }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let prefix = format!("{}-", self.service);
        for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                // What cannot be removed is in nobody's way under a name that is used once.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Some segments have one name for every squid. One that was killed leaves them, and the next replaces
/// them, unless another user's squid left them: then it does not start. Root can help.
fn remove_what_others_left() {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own =
        users.lines().find_map(|line| line.strip_prefix("proxy:")?.split(':').nth(1)?.parse().ok());
    let Some(own) = own.filter(|_: &u32| rustix::process::geteuid().is_root()) else { return };
    for entry in std::fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let foreign = entry.metadata().is_ok_and(|found| found.uid() != own);
        if foreign && entry.file_name().to_string_lossy().starts_with("squid-cf__") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A login helper: it reads `name password` and answers `OK` or `ERR`.
fn helper(user: &str, password: &str) -> String {
    format!(
        r#"#!/bin/sh
while read -r login; do
  if [ "$login" = '{user} {password}' ]; then echo OK; else echo ERR; fi
done
"#
    )
}

fn config(place: &Place, access: &str) -> String {
    let dir = place.dir().display();
    let addr = place.addr();
    format!(
        r"http_port {addr}
{access}
cache_effective_user proxy
pid_filename {dir}/squid.pid
cache_log {dir}/cache.log
logformat piton %>Hs %rm %ru
access_log stdio:{dir}/access.log logformat=piton
buffered_logs off
coredump_dir {dir}
netdb_filename none
pinger_enable off
cache deny all
cache_mem 1 MB
max_filedescriptors 1024
visible_hostname localhost
shutdown_lifetime 0 seconds
"
    )
}

fn program() -> Result<PathBuf, Missing> {
    find("squid", "squid")
}
