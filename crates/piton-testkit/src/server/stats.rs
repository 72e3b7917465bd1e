//! What a server saw.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::headers::Headers;
use super::request::Request;

/// What a server saw until now.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Connections accepted, those that were turned away included.
    pub connections: usize,
    /// Connections turned away because of the limit.
    pub refused: usize,
    /// The most connections at one time, without those turned away.
    pub peak: usize,
    /// Connections at this moment, without those turned away.
    pub open: usize,
    /// Every request, in the order of arrival.
    pub requests: Vec<RequestRecord>,
}

/// One request and what was sent for it.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The method.
    pub method: String,
    /// The target as sent, query included.
    pub target: String,
    /// The path of the target.
    pub path: String,
    /// The header fields.
    pub headers: Headers,
    /// The `Range` field.
    pub range: Option<String>,
    /// The number of the connection, from 1.
    pub connection: usize,
    /// When the head was complete, since the start of the server.
    pub at: Duration,
    /// The status that was sent; 0 while there is none.
    pub status: u16,
    /// Body bytes handed to the connection so far. Never less than the client has; what still lies
    /// in buffers, or was lost with the connection, is counted too.
    pub sent: u64,
}

impl Stats {
    /// Body bytes of all replies together.
    pub fn sent(&self) -> u64 {
        self.requests.iter().map(|request| request.sent).sum()
    }

    /// The requests for `path`.
    pub fn requests_for<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a RequestRecord> {
        self.requests.iter().filter(move |request| request.path == path)
    }
}

/// Where connections write down what they do.
#[derive(Debug)]
pub(super) struct Log {
    start: Instant,
    counts: Mutex<Counts>,
    requests: Mutex<Vec<Arc<Entry>>>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: usize,
    refused: usize,
    peak: usize,
    open: usize,
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Entry {
    request: Request,
    connection: usize,
    at: Duration,
    pub(super) status: AtomicU16,
    pub(super) sent: AtomicU64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), counts: Mutex::default(), requests: Mutex::default() }
    }

    /// Counts a connection, and gives it its number, from 1.
    pub(super) fn accepted(&self) -> usize {
        let mut counts = self.counts.lock().unwrap();
        counts.accepted += 1;
        counts.accepted
    }

    pub(super) fn refused(&self) {
        self.counts.lock().unwrap().refused += 1;
    }

    pub(super) fn opened(&self) {
        let mut counts = self.counts.lock().unwrap();
        counts.open += 1;
        counts.peak = counts.peak.max(counts.open);
    }

    pub(super) fn closed(&self) {
        self.counts.lock().unwrap().open -= 1;
    }

    pub(super) fn open(&self) -> usize {
        self.counts.lock().unwrap().open
    }

    pub(super) fn request(&self, request: &Request, connection: usize) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            request: request.clone(),
            connection,
            at: self.start.elapsed(),
            status: AtomicU16::new(0),
            sent: AtomicU64::new(0),
        });
        self.requests.lock().unwrap().push(Arc::clone(&entry));
        entry
    }

    pub(super) fn snapshot(&self) -> Stats {
        let requests = self.requests.lock().unwrap().iter().map(|entry| entry.record()).collect();
        let counts = self.counts.lock().unwrap();
        Stats {
            connections: counts.accepted,
            refused: counts.refused,
            peak: counts.peak,
            open: counts.open,
            requests,
        }
    }
}

impl Entry {
    fn record(&self) -> RequestRecord {
        RequestRecord {
            method: self.request.method.clone(),
            target: self.request.target.clone(),
            path: self.request.path().to_owned(),
            headers: self.request.headers.clone(),
            range: self.request.headers.first("range").map(str::to_owned),
            connection: self.connection,
            at: self.at,
            status: self.status.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}
