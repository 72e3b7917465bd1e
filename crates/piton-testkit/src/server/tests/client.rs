//! A client of sockets only.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::server::{Server, pattern};

/// How a connection ended, as far as the client saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Not at all: the reply was complete by its `Content-Length`.
    Open,
    Fin,
    Reset,
    /// Nothing came for as long as the client waits.
    Silent,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).into_iter().next()
    }

    pub(super) fn fields(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Moves the head out of the bytes that came, once it is complete.
    fn split_head(&mut self) {
        if self.head.is_empty()
            && let Some(at) = self.body.windows(4).position(|w| w == b"\r\n\r\n")
        {
            let body = self.body.split_off(at + 4);
            self.head = String::from_utf8_lossy(&std::mem::replace(&mut self.body, body)).into();
        }
    }

    /// At the end of the connection, what came without the end of a head counts as one.
    fn keep_what_is_no_head(&mut self) {
        if self.head.is_empty() {
            self.head = String::from_utf8_lossy(&std::mem::take(&mut self.body)).into();
        }
    }

    /// Asserts that the body is that of pattern `seed` at `offset`.
    pub(super) fn assert_pattern(&self, seed: u64, offset: u64, len: usize) {
        assert_eq!(self.body.len(), len, "{}", self.head);
        assert_eq!(pattern::first_difference(seed, offset, &self.body), None);
    }
}

pub(super) struct Client<S>(pub(super) S);

impl Client<TcpStream> {
    pub(super) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self(stream)
    }

    /// For a server that is expected to be silent.
    pub(super) fn impatient(self) -> Self {
        self.0.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        self
    }
}

impl<S: Read + Write> Client<S> {
    /// One request; the answer is read to its `Content-Length`, or to the end where it has none.
    pub(super) fn ask(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        let sent = self
            .0
            .write_all(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes());
        if sent.is_err() {
            return Answer { head: String::new(), body: Vec::new(), end: End::Reset };
        }
        self.read(method == "HEAD")
    }

    /// The next answer.
    pub(super) fn read(&mut self, bodiless: bool) -> Answer {
        let mut answer = Answer { head: String::new(), body: Vec::new(), end: End::Open };
        let mut buf = vec![0; 64 * 1024];
        loop {
            answer.split_head();
            let length =
                answer.field("content-length").and_then(|value| value.parse::<usize>().ok());
            let length = if bodiless || answer.status() == 304 { Some(0) } else { length };
            if !answer.head.is_empty() && length.is_some_and(|length| answer.body.len() >= length) {
                return answer;
            }
            answer.end = match self.0.read(&mut buf) {
                Ok(0) => End::Fin,
                Ok(n) => {
                    answer.body.extend_from_slice(&buf[..n]);
                    continue;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => End::Silent,
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => End::Fin,
                Err(_) => End::Reset,
            };
            answer.keep_what_is_no_head();
            return answer;
        }
    }

    /// What comes until the connection ends.
    pub(super) fn rest(&mut self) -> (Vec<u8>, End) {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => (bytes, End::Fin),
            Err(e) if e.kind() == ErrorKind::WouldBlock => (bytes, End::Silent),
            Err(_) => (bytes, End::Reset),
        }
    }
}

/// A GET on a connection of its own.
pub(super) fn get(server: &Server, path: &str, fields: &str) -> Answer {
    Client::connect(server.addr()).ask("GET", path, fields)
}

/// As [`get`], from a server that is expected to fall silent.
pub(super) fn get_impatiently(server: &Server, path: &str, fields: &str) -> Answer {
    Client::connect(server.addr()).impatient().ask("GET", path, fields)
}

/// A GET of a range on a connection of its own.
pub(super) fn range(server: &Server, path: &str, range: &str) -> Answer {
    get(server, path, &format!("Range: bytes={range}\r\n"))
}
