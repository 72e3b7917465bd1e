//! What the threads of one server have in common.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustls::ServerConfig;

use super::halt::Halt;
use super::pace::Pace;
use super::resource::Resource;
use super::site::Site;
use super::stats::Log;
use super::wire::Sock;

/// What the listening thread is told.
pub(super) enum Command {
    /// Stop listening and drop all connections for a time; answer when that is so.
    Away(Duration, SyncSender<()>),
    /// End.
    Stop,
}

pub(super) struct Shared {
    pub(super) site: Mutex<Site>,
    pub(super) addr: SocketAddr,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) log: Log,
    pub(super) halt: Halt,
    pub(super) pace: Option<Pace>,
    pub(super) open: Mutex<HashMap<usize, Sock>>,
    pub(super) commands: Mutex<Sender<Command>>,
    pub(super) wake: OwnedFd,
}

impl Shared {
    pub(super) fn replace(&self, path: &str, resource: Resource) {
        self.site.lock().unwrap().replace(path, resource);
    }

    /// Returns when nothing listens any more.
    pub(super) fn away(&self, time: Duration) {
        let (done, wait) = sync_channel(1);
        self.tell(Command::Away(time, done));
        // An error means that the server stops, and then nothing listens either.
        let _ = wait.recv();
    }

    pub(super) fn tell(&self, command: Command) {
        let _ = self.commands.lock().unwrap().send(command);
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Ends every connection; the threads on them return.
    pub(super) fn drop_connections(&self) {
        self.open.lock().unwrap().values().for_each(Sock::shut);
    }
}
