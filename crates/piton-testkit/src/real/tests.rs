//! Each real server once, through bare sockets.

#![allow(clippy::disallowed_methods, reason = "files of a test need not survive a crash")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Missing, Nginx, Socks5, Squid};
use crate::server::tls::Authority;

/// Whether the test can run; says so where it cannot.
fn there(available: Result<(), Missing>) -> bool {
    if let Err(missing) = &available {
        crate::skip(missing);
    }
    available.is_ok()
}

fn www(len: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f"), crate::server::pattern::bytes(7, len)).unwrap();
    dir
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Everything that comes as an answer to `request`; the server closes the connection.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A server that resets after its answer is as good.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
}

/// Waits for a log line that is written after the reply.
fn eventually(holds: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !holds() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(5));
    }
    holds()
}

#[test]
fn nginx_serves_ranges_and_logs_them() {
    if !there(Nginx::available()) {
        return;
    }
    let www = www(1000);
    let nginx = Nginx::serving(www.path()).start();
    let answer = ask(connect(nginx.addr()), &get("/f?q", "Range: bytes=10-19\r\n"));
    assert!(answer.contains("Content-Range: bytes 10-19/1000"), "{answer}\n{}", nginx.logs());
    assert!(ask(connect(nginx.addr()), &get("/nothing", "")).starts_with("HTTP/1.1 404"));
    assert!(eventually(|| nginx.requests().len() == 2), "{}", nginx.logs());
    let first = &nginx.requests()[0];
    assert_eq!((first.status, first.bytes, first.request), (206, 10, 1));
    assert_eq!(
        (&*first.method, &*first.path, first.range.as_deref()),
        ("GET", "/f?q", Some("bytes=10-19"))
    );
    assert_eq!((&*first.protocol, nginx.connections()), ("HTTP/1.1", 2));
    let addr = nginx.addr();
    drop(nginx);
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn nginx_limits_rate_and_connections() {
    if !there(Nginx::available()) {
        return;
    }
    let www = www(2_000_000);
    let nginx = Nginx::serving(www.path()).limit_rate(1_500_000).limit_connections(1).start();
    let start = Instant::now();
    let mut slow = connect(nginx.addr());
    slow.write_all(get("/f", "").as_bytes()).unwrap();
    slow.read_exact(&mut [0; 100]).unwrap();
    assert!(ask(connect(nginx.addr()), &get("/f", "")).starts_with("HTTP/1.1 503"));
    slow.read_to_end(&mut Vec::new()).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[test]
fn nginx_speaks_tls_and_http2() {
    if !there(Nginx::available()) {
        return;
    }
    let authority = Authority::new();
    let www = www(1000);
    for (http2, expected) in [(false, "http/1.1"), (true, "h2")] {
        let builder = Nginx::serving(www.path()).tls(&authority.server());
        let nginx = if http2 { builder.http2() } else { builder }.start();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut tls = StreamOwned::new(connection, connect(nginx.addr()));
        tls.conn.complete_io(&mut tls.sock).unwrap();
        assert_eq!(tls.conn.alpn_protocol(), Some(expected.as_bytes()));
        if !http2 {
            assert!(ask(tls, &get("/f", "")).starts_with("HTTP/1.1 200"), "{}", nginx.logs());
            assert!(nginx.url("/f").starts_with("https://"));
        }
    }
}

#[test]
fn squid_forwards_and_tunnels() {
    if !there(Nginx::available()) || !there(Squid::available()) {
        return;
    }
    let www = www(1000);
    let nginx = Nginx::serving(www.path()).start();
    let squid = Squid::start();
    let answer = ask(connect(squid.addr()), &get(&nginx.url("/f"), "Range: bytes=10-19\r\n"));
    assert!(answer.contains("Content-Range: bytes 10-19/1000"), "{answer}\n{}", squid.logs());
    let origin = nginx.addr().to_string();
    let mut tunnel = connect(squid.addr());
    tunnel
        .write_all(format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n").as_bytes())
        .unwrap();
    let mut head = [0; 12];
    tunnel.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200", "{}", squid.logs());
    assert!(ask(tunnel, &get("/f", "")).contains("HTTP/1.1 200 OK"));
    assert!(eventually(|| squid.requests().len() >= 2), "{}", squid.logs());
    let requests = squid.requests();
    assert!(requests.contains(&(206, "GET".into(), nginx.url("/f"))), "{requests:?}");
    assert!(requests.contains(&(200, "CONNECT".into(), origin)), "{requests:?}");
}

#[test]
fn squid_asks_for_a_login() {
    if !there(Nginx::available()) || !there(Squid::available()) {
        return;
    }
    let www = www(1000);
    let nginx = Nginx::serving(www.path()).start();
    let squid = Squid::start_with_login("user", "pass");
    let ask = |login: &str| ask(connect(squid.addr()), &get(&nginx.url("/f"), login));
    let refused = ask("");
    assert!(
        refused.starts_with("HTTP/1.1 407") && refused.contains("Proxy-Authenticate: Basic"),
        "{refused}"
    );
    // user:wrong and user:pass
    assert!(ask("Proxy-Authorization: Basic dXNlcjp3cm9uZw==\r\n").starts_with("HTTP/1.1 407"));
    let welcome = ask("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n");
    assert!(welcome.starts_with("HTTP/1.1 200"), "{welcome}\n{}", squid.logs());
    assert!(squid.url_with_login().starts_with("http://user:pass@127.0.0.1:"));
}

#[test]
fn socks5_with_and_without_a_login() {
    if !there(Nginx::available()) || !there(Socks5::available()) {
        return;
    }
    let www = www(1000);
    let nginx = Nginx::serving(www.path()).start();
    let port = nginx.addr().port().to_be_bytes();
    let open = Socks5::start();
    let mut stream = connect(open.addr());
    // Version 5, one method: none (RFC 1928).
    stream.write_all(&[5, 1, 0]).unwrap();
    let mut method = [0; 2];
    stream.read_exact(&mut method).unwrap();
    assert_eq!(method, [5, 0]);
    stream.write_all(&[5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1]]).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..2], [5, 0], "{}", open.logs());
    assert!(ask(stream, &get("/f", "")).starts_with("HTTP/1.1 200"));
    assert!(eventually(|| open.connections() == 1), "{}", open.logs());

    let closed = Socks5::start_with_login("user", "pass");
    let mut stream = connect(closed.addr());
    stream.write_all(&[5, 1, 0]).unwrap();
    stream.read_exact(&mut method).unwrap();
    assert_eq!(method, [5, 0xff]);
    let mut stream = connect(closed.addr());
    stream.write_all(&[5, 1, 2]).unwrap();
    stream.read_exact(&mut method).unwrap();
    assert_eq!(method, [5, 2]);
    // Name and password (RFC 1929).
    stream.write_all(b"\x01\x04user\x04pass").unwrap();
    stream.read_exact(&mut method).unwrap();
    assert_eq!(method, [1, 0]);
}
