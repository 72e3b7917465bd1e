//! Signed links: an address that redirects to one which is good for a while or for some requests
//! only.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::reply::Reply;
use super::request::Request;

/// How long a signed link is good.
#[derive(Clone, Copy, Debug)]
pub enum Lease {
    /// For a time after it was given out.
    Time(Duration),
    /// For so many requests.
    Requests(u64),
}

/// The links given out for one path.
#[derive(Debug)]
pub(super) struct Links {
    lease: Lease,
    location: String,
    given: Mutex<HashMap<String, Link>>,
}

#[derive(Debug)]
struct Link {
    given: Instant,
    uses: u64,
}

impl Links {
    /// `location` is where the links point to, without the query.
    pub(super) fn new(lease: Lease, location: String) -> Self {
        Self { lease, location, given: Mutex::default() }
    }

    /// A redirect to a fresh link.
    pub(super) fn give(&self, port: u16) -> Reply {
        let mut given = self.given.lock().unwrap();
        let token = format!("token={}", given.len() + 1);
        let location = format!("{}?{token}", self.location.replace("{port}", &port.to_string()));
        given.insert(token, Link { given: Instant::now(), uses: 0 });
        let mut reply = Reply::text(302, "signed\n");
        reply.headers.set("Location", &location);
        reply
    }

    /// Whether the request comes by a link that is still good; takes one use of it.
    pub(super) fn admits(&self, request: &Request) -> bool {
        let mut given = self.given.lock().unwrap();
        let Some(link) = request.query().and_then(|token| given.get_mut(token)) else {
            return false;
        };
        link.uses += 1;
        match self.lease {
            Lease::Time(time) => link.given.elapsed() < time,
            Lease::Requests(requests) => link.uses <= requests,
        }
    }
}
