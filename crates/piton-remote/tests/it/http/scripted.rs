//! A server that says exactly what a test tells it to, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The connections are counted from 0.
    pub(super) connection: usize,
    /// The requests of all connections are counted from 0.
    pub(super) number: usize,
    pub(super) head: String,
}

impl Seen {
    pub(super) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What a script does with the connection after an answer.
pub(super) enum Then {
    Keep,
    Close,
}

pub(super) struct Scripted {
    pub(super) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    /// Answers each request by `script`, one thread per connection.
    pub(super) fn start(
        script: impl Fn(&Seen, &mut TcpStream) -> Then + Send + Sync + 'static,
    ) -> Scripted {
        Scripted::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// The same on a socket of the test's choice.
    pub(super) fn on(
        listener: TcpListener,
        script: impl Fn(&Seen, &mut TcpStream) -> Then + Send + Sync + 'static,
    ) -> Scripted {
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let log = seen.clone();
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (mut stream, log, script) = (stream.unwrap(), log.clone(), script.clone());
                stream.set_nodelay(true).unwrap();
                thread::spawn(move || {
                    while let Some(head) = read_head(&mut stream) {
                        let seen = {
                            let mut log = log.lock().unwrap();
                            let seen = Seen { connection, number: log.len(), head };
                            log.push(seen.clone());
                            seen
                        };
                        if let Then::Close = script(&seen, &mut stream) {
                            return;
                        }
                    }
                });
            }
        });
        Scripted { addr, seen }
    }

    /// The same bytes for every request, on a connection that stays open.
    pub(super) fn saying(answer: impl Into<Vec<u8>>) -> Scripted {
        let answer = answer.into();
        Scripted::start(move |_, stream| say(stream, &answer))
    }

    /// The same bytes for every request, and then the end.
    pub(super) fn saying_then_closing(answer: impl Into<Vec<u8>>) -> Scripted {
        let answer = answer.into();
        Scripted::start(move |_, stream| {
            say(stream, &answer);
            Then::Close
        })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen().iter().map(|seen| seen.connection + 1).max().unwrap_or(0)
    }
}

/// Writes as far as the client lets it; clients that leave early are part of the tests.
pub(super) fn say(stream: &mut TcpStream, bytes: &[u8]) -> Then {
    match stream.write_all(bytes) {
        Ok(()) => Then::Keep,
        Err(_) => Then::Close,
    }
}

pub(super) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}
