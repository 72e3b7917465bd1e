//! TLS: whom we trust, who we are, and what a missing goodbye means.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use piton_checkpoint::Class;
use piton_remote::http::{
    Config, ConfigError, Credentials, Identity, Login, Tls, Transport, Versions,
};
use piton_remote::{RemoteError, TlsFault, TlsRemedy};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::{credentials, fetch, lane, read_all, request};

const NOT_YET: i32 = 4000;

struct Server {
    addr: SocketAddr,
    handshakes: Arc<Mutex<Vec<HandshakeKind>>>,
}

/// Says `answer` once per connection, and goodbye only if `polite`.
async fn serve(config: ServerConfig, answer: &'static str, polite: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let handshakes = Arc::new(Mutex::new(Vec::new()));
    let log = handshakes.clone();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            log.lock().unwrap().push(tls.get_ref().1.handshake_kind().unwrap());
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = tls.read_u8().await else { break };
                head.push(byte);
            }
            let _ = tls.write_all(answer.as_bytes()).await;
            let _ = tls.flush().await;
            if polite {
                let _ = tls.shutdown().await;
            }
        }
    });
    Server { addr, handshakes }
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const TO_THE_END: &str = "HTTP/1.1 200 OK\r\n\r\nhello";

impl Server {
    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.addr.port())
    }
}

fn trusting(authority: &Authority) -> impl FnOnce(&mut Config) {
    let pem = authority.pem.clone().into_bytes();
    |config| config.tls.ca_pem = vec![pem]
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_given() {
    let ours = Authority::new("ours");
    let server = serve(ours.server(&ours.leaf("localhost", NOT_YET), None), HELLO, true).await;
    let url = server.url("localhost");
    assert_eq!(fetch(&mut lane(trusting(&ours)), &url).await.unwrap(), b"hello");
    for versions in [Versions::Auto, Versions::Http1] {
        let mut lane = lane(|config| {
            trusting(&ours)(config);
            config.versions = versions;
        });
        assert_eq!(fetch(&mut lane, &url).await.unwrap(), b"hello", "{versions:?}");
    }
}

#[tokio::test]
async fn certificates_that_prove_nothing() {
    let (ours, strange) = (Authority::new("ours"), Authority::new("theirs"));
    let name = |leaf| serve(ours.server(&leaf, None), HELLO, true);
    let wrong_name = name(ours.leaf("other.example", NOT_YET)).await;
    let expired = name(ours.leaf("localhost", 2021)).await;
    let unknown = name(strange.leaf("localhost", NOT_YET)).await;
    for (server, host, from) in [
        (&wrong_name, "localhost", TlsRemedy::Name),
        (&wrong_name, "127.0.0.1", TlsRemedy::Name),
        (&expired, "localhost", TlsRemedy::Clock),
        (&unknown, "localhost", TlsRemedy::Authority),
    ] {
        let error = fetch(&mut lane(trusting(&ours)), &server.url(host)).await.unwrap_err();
        let certificate = matches!(error, RemoteError::Tls { kind: TlsFault::Certificate, remedy, .. } if remedy == Some(from));
        assert!(certificate, "{error:?}");
        assert_eq!(error.retry(), Class::Fatal);
        let mut reckless = lane(|config| config.tls.insecure = true);
        assert_eq!(fetch(&mut reckless, &server.url(host)).await.unwrap(), b"hello");
    }
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let config = ours.server(&ours.leaf("localhost", NOT_YET), Some(&theirs));
    let server = serve(config, HELLO, true).await;
    let url = server.url("localhost");
    let mine = theirs.leaf("me", NOT_YET);
    let identity =
        Identity { cert_chain_pem: mine.cert.into_bytes(), key_pem: mine.key.into_bytes() };
    let own = |url: &str| Credentials { identity: Some(identity.clone()), ..credentials(&[url]) };
    let shown_to = |origin: &str| {
        let own = own(origin);
        lane(|config| {
            trusting(&ours)(config);
            config.credentials = vec![own];
        })
    };
    assert_eq!(fetch(&mut shown_to(&url), &url).await.unwrap(), b"hello");
    // Nor is it shown to a server that it is not for.
    for mut stranger in [lane(trusting(&ours)), shown_to("https://localhost:1/")] {
        let error = fetch(&mut stranger, &url).await.unwrap_err();
        let RemoteError::Tls { kind: TlsFault::Protocol, remedy, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*remedy, Some(TlsRemedy::ClientCertificate));
        assert_eq!(error.retry(), Class::Fatal);
    }
}

#[tokio::test]
async fn sessions_are_resumed() {
    let ours = Authority::new("ours");
    let server = serve(ours.server(&ours.leaf("localhost", NOT_YET), None), HELLO, true).await;
    let mut lane = lane(trusting(&ours));
    for _ in 0..2 {
        fetch(&mut lane, &server.url("localhost")).await.unwrap();
    }
    let kinds = server.handshakes.lock().unwrap().clone();
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
}

/// Without a length only TLS's own goodbye tells the end from a cut; with one, it does not matter.
#[tokio::test]
async fn a_cut_is_not_an_end() {
    let ours = Authority::new("ours");
    for (answer, polite, whole) in [
        (HELLO, true, true),
        (HELLO, false, true),
        (TO_THE_END, true, true),
        (TO_THE_END, false, false),
    ] {
        let server =
            serve(ours.server(&ours.leaf("localhost", NOT_YET), None), answer, polite).await;
        let mut lane = lane(trusting(&ours));
        let mut body = lane.get(&request(&server.url("localhost"))).await.unwrap().body;
        match read_all(&mut body).await {
            Ok(all) => assert!(whole && all == b"hello"),
            Err(error) => {
                assert!(!whole);
                assert!(matches!(error, RemoteError::Truncated { got: 5, .. }), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn encryption_is_not_given_up_unless_allowed() {
    let plain = super::scripted::Scripted::saying(super::scripted::ok("plain"));
    let moved =
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", plain.url("/x"));
    let ours = Authority::new("ours");
    let config = ours.server(&ours.leaf("localhost", NOT_YET), None);
    let server = serve(config, moved.leak(), true).await;
    let url = server.url("localhost");
    let error = fetch(&mut lane(trusting(&ours)), &url).await.unwrap_err();
    assert!(matches!(error, RemoteError::DowngradeRefused { .. }), "{error:?}");
    assert!(plain.seen().is_empty());
    let mut willing = lane(|config| {
        trusting(&ours)(config);
        config.allow_downgrade = true;
        config.logins_in_clear = true;
        config.logins_by_host = Some(Arc::new(|_| Some(Login::Bearer("t".to_owned()))));
    });
    assert_eq!(fetch(&mut willing, &url).await.unwrap(), b"plain");
    assert_eq!(plain.seen()[0].header("authorization"), None, "a kept login stays encrypted");
}

/// As over plain TCP: a mark beyond the end must not wait for bytes that nobody will send, and below the
/// mark `try_read` still sees what is there.
#[tokio::test]
async fn the_low_water_mark_lies_on_the_socket_below() {
    const HALF: usize = 200_000;
    let ours = Authority::new("ours");
    let config = ours.server(&ours.leaf("localhost", NOT_YET), None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let (go_on, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tls = TlsAcceptor::from(Arc::new(config)).accept(tcp).await.unwrap();
        let mut head = [0; 4096];
        assert!(tls.read(&mut head).await.unwrap() > 0);
        let length = 2 * HALF;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        tls.write_all(head.as_bytes()).await.unwrap();
        tls.write_all(&[b'a'; HALF]).await.unwrap();
        tls.flush().await.unwrap();
        told.await.unwrap();
        tls.write_all(&[b'b'; HALF]).await.unwrap();
        tls.flush().await.unwrap();
        let _ = tls.read(&mut [0]).await;
    });
    let mut body = lane(trusting(&ours)).get(&request(&url)).await.unwrap().body;
    body.set_low_water(1 << 20);
    let mut piece = vec![0; 1 << 20];
    let mut got = Vec::new();
    let patience = Duration::from_millis(150);
    while let Ok(read) = timeout(patience, body.read(&mut piece)).await {
        got.extend_from_slice(&piece[..read.unwrap()]);
    }
    assert!(got.len() < HALF, "below the mark");
    while let Some(read) = body.try_read(&mut piece) {
        got.extend_from_slice(&piece[..read.unwrap()]);
    }
    assert_eq!(got, [b'a'; HALF]);
    go_on.send(()).unwrap();
    let rest = timeout(Duration::from_secs(5), read_all(&mut body)).await.unwrap();
    assert_eq!(rest.unwrap(), [b'b'; HALF]);
}

#[tokio::test]
async fn what_does_not_speak_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = fetch(&mut lane(|_| {}), &url).await.unwrap_err();
    assert!(matches!(error, RemoteError::Tls { kind: TlsFault::Protocol, .. }), "{error:?}");
}

#[test]
fn files_that_are_no_certificates() {
    let ours = Authority::new("ours");
    let (one, other) = (ours.leaf("a", NOT_YET), ours.leaf("b", NOT_YET));
    let with = |tls: Tls, identity| {
        let mut config = Config::default();
        config.tls = tls;
        config.credentials = vec![Credentials { identity, ..Credentials::default() }];
        Transport::new(config).map(drop)
    };
    for bad in ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let tls = Tls { ca_pem: vec![bad.as_bytes().to_vec()], ..Tls::default() };
        assert!(matches!(with(tls, None), Err(ConfigError::Ca { .. })), "{bad:?}");
    }
    for (cert, key) in [("", one.key.as_str()), (one.cert.as_str(), ""), (&one.cert, &other.key)] {
        let identity = Identity { cert_chain_pem: cert.into(), key_pem: key.into() };
        let error = with(Tls::default(), Some(identity));
        assert!(matches!(error, Err(ConfigError::Identity { .. })), "{cert:?} {key:?}");
    }
}
