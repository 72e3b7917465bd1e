//! Reading a request head from a connection.

use std::io::{self, Read};

use super::headers::Headers;

/// No client under test sends more than this; a head that is longer ends the connection.
const MAX_HEAD: usize = 256 * 1024;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The request target as sent; a proxy's client sends the absolute form.
    pub target: String,
    /// Whether the client said HTTP/1.1; HTTP/1.0 otherwise.
    pub http_1_1: bool,
    /// The header fields.
    pub headers: Headers,
}

impl Request {
    /// The path of the target, without scheme, host and query.
    pub fn path(&self) -> &str {
        let rest = match self.target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
            None => &self.target,
        };
        rest.split(['?', '#']).next().unwrap_or(rest)
    }

    /// The query of the target: what stands after the `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Whether the connection stays open after the reply, as far as the client is concerned.
    pub fn keep_alive(&self) -> bool {
        let connection = self.headers.first("connection").unwrap_or_default().to_ascii_lowercase();
        if self.http_1_1 {
            !connection.contains("close")
        } else {
            connection.contains("keep-alive")
        }
    }

    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let mut headers = Headers::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            headers.add(name, value.trim());
        }
        Some(Self {
            method: method.into(),
            target: target.into(),
            http_1_1: version == "HTTP/1.1",
            headers,
        })
    }
}

/// The unread input of one connection; what came after a head is kept for the next one.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    /// The next request, or `None` when the client closed the connection between requests. A
    /// request body is read and thrown away.
    pub(super) fn next(&mut self, wire: &mut impl Read) -> io::Result<Option<Request>> {
        let end = loop {
            if let Some(at) = self.0.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.0.len() > MAX_HEAD {
                return Err(io::Error::other("the request head does not end"));
            }
            if self.more(wire)? == 0 {
                return Ok(None);
            }
        };
        let head: Vec<u8> = self.0.drain(..end + 4).collect();
        let request = Request::parse(&String::from_utf8_lossy(&head[..end]))
            .ok_or_else(|| io::Error::other("the request head is no HTTP"))?;
        let mut body = request
            .headers
            .first("content-length")
            .and_then(|v| v.parse::<usize>().ok())
            .unwrap_or(0);
        while body > 0 {
            if self.0.is_empty() && self.more(wire)? == 0 {
                return Ok(None);
            }
            let n = body.min(self.0.len());
            self.0.drain(..n);
            body -= n;
        }
        Ok(Some(request))
    }

    fn more(&mut self, wire: &mut impl Read) -> io::Result<usize> {
        let mut chunk = [0; 4096];
        let n = wire.read(&mut chunk)?;
        self.0.extend_from_slice(&chunk[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_one_after_the_other() {
        let mut wire: &[u8] = b"GET /a?b HTTP/1.1\r\nRange: bytes=0-\r\n\r\n\
            POST http://h:1/c HTTP/1.0\r\nContent-Length: 3\r\n\r\nxyzGET / HTTP/1.1\r\n\r\nGET";
        let mut inbox = Inbox::default();
        let first = inbox.next(&mut wire).unwrap().unwrap();
        assert_eq!((first.path(), first.query(), first.keep_alive()), ("/a", Some("b"), true));
        assert_eq!(first.headers.first("RANGE"), Some("bytes=0-"));
        let second = inbox.next(&mut wire).unwrap().unwrap();
        assert_eq!((second.path(), second.http_1_1, second.keep_alive()), ("/c", false, false));
        assert_eq!(inbox.next(&mut wire).unwrap().unwrap().path(), "/");
        assert!(inbox.next(&mut wire).unwrap().is_none());
    }
}
