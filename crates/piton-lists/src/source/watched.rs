//! A list that stops when asked to, even among endless comments and rubbish, which yield no entries between
//! which somebody could check.

use std::io::{self, BufRead, Read};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use piton_fetch::Stop;

/// How long a list is read.
#[derive(Debug, Clone)]
pub(super) struct Until {
    stop: Stop,
    /// How long reading continues after a stop.
    grace: Duration,
    /// When the stop was noticed, by whichever reader of the list was first.
    since: Arc<OnceLock<Instant>>,
}

impl Until {
    pub(super) fn new(stop: Stop, grace: Duration) -> Self {
        Self { stop, grace, since: Arc::default() }
    }

    fn is_over(&self) -> bool {
        self.stop.is_stopped() && self.since.get_or_init(Instant::now).elapsed() >= self.grace
    }
}

pub(super) struct Watched<R> {
    pub(super) inner: R,
    pub(super) until: Until,
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.until.is_over() {
            return Err(io::Error::other("stopped while reading"));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
