//! HTTP/2: shared connections, and what happens to the lanes when one goes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Version;
use piton_checkpoint::Class;
use piton_remote::http::{Config, Lane, Prefer, Request, Transport, Versions};
use piton_remote::{ByteRange, RemoteError};
use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::authority::Authority;
use super::daemon::nginx;
use super::{fetch, lane, read_all, request};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

fn transport(authority: &Authority, change: impl FnOnce(&mut Config)) -> Transport {
    let mut config = Config::default();
    config.tls.ca_pem = vec![authority.pem.clone().into_bytes()];
    change(&mut config);
    Transport::new(config).unwrap()
}

/// Asks in `lane` and names nginx's connection; the body is given back when `lane` is.
async fn connection(lane: &mut Lane, request: &Request, wanted: &[u8]) -> String {
    let mut response = lane.get(request).await.unwrap();
    let body = read_all(&mut response.body).await.unwrap();
    assert!(body == wanted, "{} bytes of {}", body.len(), wanted.len());
    response.body.finish(lane);
    response.headers["x-connection"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn nginx_over_every_version() {
    let file = pattern(5_000_000);
    let Some(web) = nginx("", &[("f", &file)]) else { return };
    for (url, versions, spoken) in [
        (web.http("/f"), Versions::Auto, Version::HTTP_11),
        (web.https("/f"), Versions::Auto, Version::HTTP_2),
        (web.https("/f"), Versions::Http1, Version::HTTP_11),
        (web.https("/f"), Versions::Http2, Version::HTTP_2),
    ] {
        let mut lane = transport(&web.authority, |config| config.versions = versions).lane();
        let mut seen = HashSet::new();
        for _ in 0..3 {
            seen.insert(connection(&mut lane, &request(&url), &file).await);
        }
        let mut part = request(&url);
        part.range = Some(ByteRange { first: 1_000_000, last: Some(1_999_999) });
        seen.insert(connection(&mut lane, &part, &file[1_000_000..2_000_000]).await);
        assert_eq!(seen.len(), 1, "{url} {versions:?}");
        let mut response = lane.get(&request(&url)).await.unwrap();
        assert_eq!(response.version, spoken);
        assert_eq!(response.body.remaining(), Some(5_000_000));
        // Given up in the middle: only HTTP/2 can keep its connection then.
        assert!(response.body.read(&mut [0; 10]).await.unwrap() > 0);
        response.body.finish(&mut lane);
        let kept = !seen.insert(connection(&mut lane, &request(&url), &file).await);
        assert_eq!(kept, spoken == Version::HTTP_2, "{url} {versions:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_share_connections_up_to_the_limit() {
    let file = pattern(3_000_000);
    let Some(web) = nginx("", &[("f", &file)]) else { return };
    let transport = transport(&web.authority, |config| config.streams_per_connection = 4);
    let file = Arc::new(file);
    let url = web.https("/f");
    let all = (0..10).map(|_| {
        let (mut lane, url, file) = (transport.lane(), url.clone(), file.clone());
        // The lanes come back, so that their places stay taken while others look for one.
        tokio::spawn(async move { (connection(&mut lane, &request(&url), &file).await, lane) })
    });
    let mut seen = HashSet::new();
    let mut lanes = Vec::new();
    for one in all.collect::<Vec<_>>() {
        let (connection, lane) = one.await.unwrap();
        seen.insert(connection);
        lanes.push(lane);
    }
    assert_eq!(seen.len(), 3, "ten lanes, four to a connection");
    drop(lanes);
}

/// A stream beyond what the server allows would not begin before another one ends.
#[tokio::test]
async fn no_more_streams_than_the_server_allows() {
    let Some(web) = nginx("http2_max_concurrent_streams 2;", &[("f", b"x")]) else { return };
    let transport = transport(&web.authority, |config| config.streams_per_connection = 10);
    let (mut seen, mut lanes) = (HashSet::new(), Vec::new());
    for _ in 0..6 {
        let mut lane = transport.lane();
        seen.insert(connection(&mut lane, &request(&web.https("/f")), b"x").await);
        lanes.push(lane);
    }
    assert_eq!(seen.len(), 3);
}

/// nginx says GOAWAY after so many requests; the lanes find a new connection without noticing.
#[tokio::test]
async fn a_connection_that_is_told_to_go() {
    let Some(web) = nginx("keepalive_requests 3;", &[("f", b"x")]) else { return };
    let transport = transport(&web.authority, |_| {});
    let mut lanes = [transport.lane(), transport.lane()];
    let mut seen = HashSet::new();
    for _ in 0..6 {
        for lane in &mut lanes {
            seen.insert(connection(lane, &request(&web.https("/f")), b"x").await);
        }
    }
    assert!((4..=6).contains(&seen.len()), "{}", seen.len());
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle() {
    let file = pattern(20_000_000);
    for versions in [Versions::Http1, Versions::Http2] {
        let Some(mut web) = nginx("limit_rate 2m;", &[("f", &file)]) else { return };
        let mut lane = transport(&web.authority, |config| config.versions = versions).lane();
        let mut body = lane.get(&request(&web.https("/f"))).await.unwrap().body;
        let mut first = vec![0; 100_000];
        assert!(body.read(&mut first).await.unwrap() > 0);
        web.kill();
        let error = read_all(&mut body).await.unwrap_err();
        assert_eq!(error.retry(), Class::Transient, "{error:?}");
        let error = fetch(&mut lane, &web.https("/f")).await.unwrap_err();
        assert!(matches!(error, RemoteError::Refused { .. }), "{error:?}");
    }
}

/// What the scripted HTTP/2 server does with a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    /// Announces 10 bytes and sends 5, then ends the stream as if that were all.
    EndEarly,
    /// Announces 10 bytes and sends 15.
    SendMore,
    /// Resets the stream after 5 bytes.
    Reset,
    /// Refuses the first stream and serves the second.
    RefuseOnce,
    /// Sends all, without having said how much.
    NoLength,
}

async fn serve(authority: &Authority, deed: Deed) -> String {
    let mut config = authority.server(&authority.leaf("localhost", 4000), None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut number = 0;
        loop {
            let tcp = listener.accept().await.unwrap().0;
            let mut link =
                h2::server::handshake(acceptor.accept(tcp).await.unwrap()).await.unwrap();
            while let Some(Ok((_, mut respond))) = link.accept().await {
                number += 1;
                if deed == Deed::RefuseOnce && number == 2 {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                    continue;
                }
                let mut head = http::Response::new(());
                if deed != Deed::NoLength {
                    head.headers_mut().insert("content-length", "10".parse().unwrap());
                }
                let mut body = respond.send_response(head, false).unwrap();
                let data = |text: &'static str| Bytes::from_static(text.as_bytes());
                match deed {
                    Deed::EndEarly => body.send_data(data("hello"), true).unwrap(),
                    Deed::SendMore => body.send_data(data("hello, world!!!"), true).unwrap(),
                    Deed::Reset => {
                        body.send_data(data("hello"), false).unwrap();
                        tokio::spawn(async move {
                            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                            body.send_reset(h2::Reason::INTERNAL_ERROR);
                        });
                    }
                    Deed::RefuseOnce | Deed::NoLength => {
                        body.send_data(data("hello worl"), true).unwrap();
                    }
                }
            }
        }
    });
    format!("https://localhost:{port}/")
}

#[tokio::test]
async fn streams_that_go_wrong() {
    let ours = Authority::new("ours");
    for (deed, breaks) in [(Deed::EndEarly, true), (Deed::SendMore, true), (Deed::Reset, false)] {
        let url = serve(&ours, deed).await;
        let error = fetch(&mut transport(&ours, |_| {}).lane(), &url).await.unwrap_err();
        assert_eq!(error.retry(), Class::Transient, "{deed:?}: {error:?}");
        assert_eq!(breaks, matches!(error, RemoteError::Protocol { .. }), "{deed:?}: {error:?}");
    }
    let url = serve(&ours, Deed::NoLength).await;
    assert_eq!(fetch(&mut transport(&ours, |_| {}).lane(), &url).await.unwrap(), b"hello worl");
}

#[tokio::test]
async fn a_refused_stream_on_a_kept_connection_is_asked_again() {
    let ours = Authority::new("ours");
    let url = serve(&ours, Deed::RefuseOnce).await;
    let mut lane = transport(&ours, |_| {}).lane();
    for _ in 0..3 {
        assert_eq!(fetch(&mut lane, &url).await.unwrap(), b"hello worl");
    }
}

#[tokio::test]
async fn a_server_without_http2() {
    let ours = Authority::new("ours");
    let mut config = ours.server(&ours.leaf("localhost", 4000), None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let tcp = listener.accept().await.unwrap().0;
        let _ = acceptor.accept(tcp).await;
    });
    let mut only = lane(|config| {
        config.versions = Versions::Http2;
        config.tls.insecure = true;
    });
    let error = fetch(&mut only, &url).await.unwrap_err();
    assert!(matches!(error, RemoteError::Tls { .. }), "{error:?}");
}

/// What a server does with a client that asks for HTTP/1.1 alone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OnHttp1 {
    /// The alert no_application_protocol.
    Alert,
    /// Closes before the handshake is over.
    Close,
    /// Agrees to nothing, and speaks HTTP/2.
    SpeakHttp2,
    /// Speaks it: the server has both.
    Agree,
}

/// A TLS server that has HTTP/2, and `how` it takes a client that does not ask for that. Counts its connections.
async fn choosy(authority: &Authority, how: OnHttp1) -> (String, Arc<AtomicUsize>) {
    let of = |alpn: &[&[u8]]| {
        let mut config = authority.server(&authority.leaf("localhost", 4000), None);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    };
    let (h2, both, neither) = (of(&[b"h2"]), of(&[b"http/1.1", b"h2"]), of(&[]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    tokio::spawn(async move {
        loop {
            let tcp = listener.accept().await.unwrap().0;
            counter.fetch_add(1, Ordering::Relaxed);
            let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.unwrap();
            let offered = start.client_hello().alpn().unwrap().collect::<Vec<_>>();
            let asks_h2 = offered.contains(&&b"h2"[..]);
            let config = match how {
                OnHttp1::Close if !asks_h2 => continue,
                OnHttp1::SpeakHttp2 if !asks_h2 => &neither,
                OnHttp1::Agree => &both,
                _ => &h2,
            };
            let Ok(tls) = start.into_stream(config.clone()).await else { continue };
            if tls.get_ref().1.alpn_protocol() == Some(b"http/1.1") {
                tokio::spawn(answer_in_http1(tls));
            } else {
                tokio::spawn(answer_in_http2(tls));
            }
        }
    });
    (url, seen)
}

async fn answer_in_http1(mut tls: TlsStream<TcpStream>) {
    let mut asked = [0; 4096];
    while tls.read(&mut asked).await.is_ok_and(|read| read > 0) {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        tls.write_all(answer).await.unwrap();
    }
}

async fn answer_in_http2(tls: TlsStream<TcpStream>) {
    // A client that speaks HTTP/1.1 gets no further than this.
    let Ok(mut link) = h2::server::handshake(tls).await else { return };
    while let Some(Ok((_, mut respond))) = link.accept().await {
        let mut body = respond.send_response(http::Response::new(()), false).unwrap();
        body.send_data(Bytes::from_static(b"hello"), true).unwrap();
    }
}

/// Where HTTP/1.1 is preferred, a server that has only HTTP/2 is asked again, and not once more for the next
/// connection.
#[tokio::test]
async fn http1_first_where_that_is_preferred() {
    let ours = Authority::new("ours");
    for (how, prefer, spoken, tries) in [
        (OnHttp1::Alert, Prefer::Http1, Version::HTTP_2, 2),
        (OnHttp1::Close, Prefer::Http1, Version::HTTP_2, 2),
        (OnHttp1::SpeakHttp2, Prefer::Http1, Version::HTTP_2, 2),
        (OnHttp1::Agree, Prefer::Http1, Version::HTTP_11, 1),
        (OnHttp1::Alert, Prefer::Http2, Version::HTTP_2, 1),
    ] {
        let (url, seen) = choosy(&ours, how).await;
        let config = |config: &mut Config| {
            config.prefer = prefer;
            config.streams_per_connection = 1;
        };
        let transport = transport(&ours, config);
        let mut lanes = Vec::new();
        // The second lane finds no place on the connection of the first.
        for connections in [tries, tries + 1] {
            let mut lane = transport.lane();
            let mut response = lane.get(&request(&url)).await.unwrap();
            assert_eq!(response.version, spoken, "{how:?}, {prefer:?}");
            assert_eq!(read_all(&mut response.body).await.unwrap(), b"hello");
            assert_eq!(seen.load(Ordering::Relaxed), connections, "{how:?}, {prefer:?}");
            response.body.finish(&mut lane);
            lanes.push(lane);
        }
    }
    // What the user decides is not bettered.
    let (url, _) = choosy(&ours, OnHttp1::Alert).await;
    let only = transport(&ours, |config| {
        (config.versions, config.prefer) = (Versions::Http1, Prefer::Http1);
    });
    let error = fetch(&mut only.lane(), &url).await.unwrap_err();
    assert!(matches!(error, RemoteError::Tls { .. }), "{error:?}");
}
