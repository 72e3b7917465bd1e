//! Lists, as a person goes through them.

mod adopted;
mod commands;
mod events;
mod failed;
mod killed;
mod ledger;
mod moved;
mod named;
mod on_done;
mod others;
mod refused;

use piton_testkit::server::{Fault, Resource, Server, Site, pattern};

use crate::command::{Place, Ran};

const SEED: u64 = 3;
const LEN: u64 = 4096;

/// A server of files `/0`, `/1` and so on, and a place with a list of them.
struct Desk {
    server: Server,
    place: Place,
}

impl Desk {
    fn new(files: u64) -> Self {
        Self::with(site(files))
    }

    fn with(site: Site) -> Self {
        Self { server: Server::start(site), place: Place::new() }
    }

    /// Writes `list.txt`: what begins with `/` is a path on the server.
    fn list(&self, lines: &[&str]) -> &Self {
        self.place.write("list.txt", self.text(lines).as_bytes());
        self
    }

    fn text(&self, lines: &[&str]) -> String {
        let line = |line: &&str| match line.strip_prefix('/') {
            Some(_) => self.server.url(line) + "\n",
            None => format!("{line}\n"),
        };
        lines.iter().map(line).collect()
    }

    /// With retries that take no time.
    fn piton(&self, args: &[&str]) -> Ran {
        self.place.piton(&[&["--config", "none"], args].concat())
    }

    fn get(&self, args: &[&str]) -> Ran {
        self.piton(&[&["get", "-i", "list.txt", "--retries", "0"], args].concat())
    }

    fn requests(&self, path: &str) -> usize {
        self.server.stats().requests_for(path).count()
    }

    fn all_requests(&self) -> usize {
        self.server.stats().requests.len()
    }

    fn is_right(&self, name: &str) -> bool {
        let bytes = std::fs::read(self.place.path(name)).unwrap_or_default();
        bytes.len() as u64 == LEN && pattern::first_difference(SEED, 0, &bytes).is_none()
    }

    /// What was written, with the server as HOST.
    fn said(&self, text: &str) -> String {
        let host = self.server.url("");
        let host = host.strip_prefix("http://").unwrap();
        let name = host.split(':').next().unwrap();
        text.replace(host, "HOST").replace(name, "HOST")
    }
}

fn site(files: u64) -> Site {
    (0..files).fold(Site::new(), |site, number| {
        let file = Resource::pattern(SEED, LEN).etag(&format!("\"{number}\""));
        site.with(&format!("/{number}"), file)
    })
}

/// A site of which `/2` fails for now.
fn ailing(files: u64) -> Site {
    site(files).fault(Fault::status(500).on("/2"))
}
