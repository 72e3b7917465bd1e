//! What a server serves, and how badly.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::fault::{Context, Fault};
use super::reply::Reply;
use super::request::Request;
use super::resource::Resource;
use super::signed::{Lease, Links};

/// Resources under their paths, faults, and limits.
#[derive(Debug)]
pub struct Site {
    entries: BTreeMap<String, Entry>,
    pub(super) faults: Vec<Fault>,
    pub(super) ip: IpAddr,
    pub(super) connection_rate: Option<u64>,
    pub(super) total_rate: Option<u64>,
    pub(super) limit: Option<(usize, Excess)>,
}

/// What happens to a connection above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Its first request is answered with 503, then it is closed.
    Unavailable,
    /// Its first request is answered with 403, then it is closed.
    Forbidden,
    /// It is reset (RST) at once.
    Reset,
    /// It is accepted and nothing more.
    Hang,
}

#[derive(Debug)]
enum Entry {
    Resource(Resource),
    /// Redirects to a signed link.
    Signed {
        links: Arc<Links>,
        target: String,
    },
    /// What the signed links lead to.
    Leased {
        links: Arc<Links>,
        resource: Resource,
    },
}

impl Site {
    /// A site that answers 404 to everything, on 127.0.0.1.
    pub fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            faults: Vec::new(),
            ip: Ipv4Addr::LOCALHOST.into(),
            connection_rate: None,
            total_rate: None,
            limit: None,
        }
    }

    /// Serves `resource` under `path`.
    pub fn with(mut self, path: &str, resource: Resource) -> Self {
        self.entries.insert(path.to_owned(), Entry::Resource(resource));
        self
    }

    /// Serves `resource` under `/signed` + `path`, only by links that `path` redirects to and that
    /// are good as long as `lease` says; 403 after that.
    pub fn with_signed(self, path: &str, resource: Resource, lease: Lease) -> Self {
        self.with_signed_at("", path, resource, lease)
    }

    /// As [`Site::with_signed`], with links to another host, such as `http://localhost:{port}`.
    pub fn with_signed_at(
        mut self,
        base: &str,
        path: &str,
        resource: Resource,
        lease: Lease,
    ) -> Self {
        let target = format!("/signed{path}");
        let links = Arc::new(Links::new(lease, format!("{base}{target}")));
        self.entries.insert(target.clone(), Entry::Leased { links: Arc::clone(&links), resource });
        self.entries.insert(path.to_owned(), Entry::Signed { links, target });
        self
    }

    /// Adds a fault; faults are applied in the order they were added.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Listens on this loopback address.
    pub fn on_ip(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// At most so many body bytes per second on each connection.
    pub fn rate_per_connection(mut self, bytes_per_second: u64) -> Self {
        self.connection_rate = Some(bytes_per_second);
        self
    }

    /// At most so many body bytes per second on all connections together.
    pub fn rate_total(mut self, bytes_per_second: u64) -> Self {
        self.total_rate = Some(bytes_per_second);
        self
    }

    /// At most `n` connections at a time, from all clients together (on loopback they look like
    /// one).
    pub fn max_connections(mut self, n: usize, excess: Excess) -> Self {
        self.limit = Some((n, excess));
        self
    }

    /// Puts another version in place; for a path with signed links, what they lead to.
    pub(super) fn replace(&mut self, path: &str, resource: Resource) {
        let path = match self.entries.get(path) {
            Some(Entry::Signed { target, .. }) => target.clone(),
            _ => path.to_owned(),
        };
        match self.entries.get_mut(&path) {
            Some(Entry::Leased { resource: old, .. } | Entry::Resource(old)) => *old = resource,
            _ => drop(self.entries.insert(path, Entry::Resource(resource))),
        }
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.entries.remove(path);
    }

    /// The reply to `request`, with the version of the resource that `change` makes of it.
    pub(super) fn reply(
        &self,
        request: &Request,
        context: &Context<'_>,
        change: impl Fn(&mut Resource),
    ) -> Reply {
        let served = |resource: &Resource| {
            let mut resource = resource.clone();
            change(&mut resource);
            Reply::right(request, &resource)
        };
        match self.entries.get(request.path()) {
            None => Reply::text(404, "no such file\n"),
            Some(Entry::Resource(resource)) => served(resource),
            Some(Entry::Signed { links, .. }) => links.give(context.port),
            Some(Entry::Leased { links, resource }) if links.admits(request) => served(resource),
            Some(Entry::Leased { .. }) => Reply::text(403, "the link has expired\n"),
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}
