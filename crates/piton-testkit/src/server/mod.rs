//! An HTTP/1 server on loopback that does what it is told, wrong things above all.
//!
//! ```
//! use piton_testkit::server::{Fault, KIB, MIB, Resource, Server, Site};
//!
//! let site = Site::new()
//!     .with("/f", Resource::pattern(7, 10 * MIB).etag("\"a\""))
//!     .fault(Fault::reset_after(700 * KIB).on("/f"));
//! let server = Server::start(site);
//! assert!(server.url("/f").starts_with("http://127.0.0.1:"));
//! ```
//!
//! A [`Site`] holds [`Resource`]s, [`Fault`]s and limits. For each request the right reply is
//! worked out as a value, the faults that are for the request change it, and it is sent with the
//! deviations they ask for. [`Server::stats`] tells what came in. A thread serves each connection;
//! dropping the server ends them all.
//!
//! This is a test kit: what only a broken machine can make fail panics.

mod body;
mod connection;
mod date;
mod delivery;
pub mod digests;
mod fault;
mod halt;
mod headers;
mod listen;
mod pace;
pub mod pattern;
mod range;
mod reply;
mod request;
mod resource;
mod send;
mod shared;
mod signed;
mod site;
mod stats;
pub mod tls;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustls::ServerConfig;
use socket2::Socket;

use self::pace::Pace;
use self::shared::{Command, Shared};
use self::stats::Log;

pub use self::body::Body;
pub use self::date::http_date;
pub use self::digests::DigestField;
pub use self::fault::{Context, Fault, RetryAfter};
pub use self::headers::Headers;
pub use self::reply::{Payload, Reply};
pub use self::request::Request;
pub use self::resource::Resource;
pub use self::signed::Lease;
pub use self::site::{Excess, Site};
pub use self::stats::{RequestRecord, Stats};
pub use self::tls::Identity;

/// 1024 bytes.
pub const KIB: u64 = 1024;
/// 1024 KiB.
pub const MIB: u64 = 1024 * KIB;
/// 1024 MiB.
pub const GIB: u64 = 1024 * MIB;

/// A running server; dropping it closes every connection and waits for its threads.
pub struct Server {
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
    /// Bound and never listening: keeps the port while the server is away.
    _port: Socket,
}

impl Server {
    /// Serves `site` on a free port.
    ///
    /// # Panics
    ///
    /// When no socket can be had.
    pub fn start(site: Site) -> Self {
        Self::launch(site, None)
    }

    /// Serves `site` under TLS on a free port, as `identity`.
    ///
    /// # Panics
    ///
    /// When no socket can be had.
    pub fn start_tls(site: Site, identity: &Identity) -> Self {
        Self::launch(site, Some(identity.server_config()))
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// The URL of `path`, by IP address.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme(), self.addr())
    }

    /// The URL of `path` under a host name that leads to loopback, such as `localhost`.
    pub fn url_at(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme(), self.addr().port())
    }

    /// What the server saw until now.
    pub fn stats(&self) -> Stats {
        self.shared.log.snapshot()
    }

    /// Puts another version in place; replies under way go on with the old one.
    pub fn replace(&self, path: &str, resource: Resource) {
        self.shared.replace(path, resource);
    }

    /// Takes `path` away; 404 from now on.
    pub fn remove(&self, path: &str) {
        self.shared.site.lock().unwrap().remove(path);
    }

    /// Adds a fault behind the others.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.site.lock().unwrap().faults.push(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.shared.site.lock().unwrap().faults.clear();
    }

    /// Ends every connection now; new ones are welcome.
    pub fn drop_connections(&self) {
        self.shared.drop_connections();
    }

    /// Goes away: drops all connections and refuses new ones for `time`, then listens on the same
    /// port again. Returns as soon as connections are refused.
    pub fn away(&self, time: Duration) {
        self.shared.away(time);
    }

    fn launch(site: Site, tls: Option<Arc<ServerConfig>>) -> Self {
        let port = listen::bind(SocketAddr::new(site.ip, 0)).expect("a free port");
        let addr = port.local_addr().expect("the address").as_socket().expect("an IP address");
        let listener = listen::listen(addr).expect("to listen");
        let (commands, told) = channel();
        let shared = Arc::new(Shared {
            addr,
            tls,
            log: Log::new(),
            halt: halt::Halt::default(),
            pace: site.total_rate.map(Pace::new),
            site: Mutex::new(site),
            open: Mutex::new(HashMap::new()),
            commands: Mutex::new(commands),
            wake: eventfd(0, EventfdFlags::CLOEXEC).expect("an event descriptor"),
        });
        let of_thread = Arc::clone(&shared);
        let listening = std::thread::spawn(move || listen::run(&of_thread, listener, &told));
        Self { shared, listening: Some(listening), _port: port }
    }

    fn scheme(&self) -> &'static str {
        if self.shared.tls.is_some() { "https" } else { "http" }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.halt.halt();
        self.shared.tell(Command::Stop);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr()).finish_non_exhaustive()
    }
}
