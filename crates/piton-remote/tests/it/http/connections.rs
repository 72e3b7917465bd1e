//! When connections are kept, given up and made.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use piton_checkpoint::Class;
use piton_remote::RemoteError;
use piton_remote::http::{AddressFamily, Config, MinRate, Transport};
use socket2::{Domain, Socket, Type};

use super::scripted::{Scripted, Then, ok, say};
use super::{fetch, lane, read_all, request};

#[tokio::test]
async fn a_connection_is_kept_unless_the_server_closes_it() {
    for (answer, connections) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 3),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", 3),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            3,
        ),
    ] {
        let server = Scripted::saying(answer);
        let mut lane = lane(|_| {});
        for _ in 0..3 {
            assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"ok");
        }
        assert_eq!(server.connections(), connections, "{answer:?}");
    }
}

/// A list of files is a lane for each of them.
#[tokio::test]
async fn a_connection_is_left_to_the_lanes_that_come_after() {
    let transport = Transport::new(Config::default()).unwrap();
    let server = Scripted::saying(ok("good"));
    for _ in 0..3 {
        assert_eq!(fetch(&mut transport.lane(), &server.url("/")).await.unwrap(), b"good");
    }
    let (mut one, mut other) = (transport.lane(), transport.lane());
    // Both have it asked before either gives its connection back.
    let first = one.get(&request(&server.url("/"))).await.unwrap();
    assert_eq!(fetch(&mut other, &server.url("/")).await.unwrap(), b"good");
    drop(first);
    assert_eq!((server.connections(), server.seen().len()), (2, 5));
}

#[tokio::test]
async fn no_more_are_kept_than_a_server_is_glad_of() {
    let transport = Transport::new(Config::default()).unwrap();
    let server = Scripted::saying(ok("good"));
    for _ in 0..2 {
        let mut lanes: Vec<_> = (0..20).map(|_| transport.lane()).collect();
        let mut answers = Vec::new();
        for lane in &mut lanes {
            answers.push(lane.get(&request(&server.url("/"))).await.unwrap());
        }
        for (lane, mut answer) in lanes.iter_mut().zip(answers) {
            assert_eq!(read_all(&mut answer.body).await.unwrap(), b"good");
            answer.body.finish(lane);
        }
    }
    // Sixteen of the first twenty served again.
    assert_eq!(server.connections(), 24);
}

#[tokio::test]
async fn one_that_died_while_it_was_kept_is_replaced() {
    let transport = Transport::new(Config::default()).unwrap();
    let server = Scripted::saying_then_closing(ok("good"));
    for _ in 0..3 {
        assert_eq!(fetch(&mut transport.lane(), &server.url("/")).await.unwrap(), b"good");
    }
    assert_eq!(server.connections(), 3);
}

/// What comes behind a body was not asked for, and must never be taken for the next answer.
#[tokio::test]
async fn bytes_behind_a_body_spoil_the_connection() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    for framed in [
        "Content-Length: 4\r\n\r\ngood",
        "Transfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
        "Content-Length: 0\r\n\r\n",
    ] {
        let server = Scripted::saying(format!("HTTP/1.1 200 OK\r\n{framed}{forged}"));
        let mut lane = lane(|_| {});
        let wanted = if framed.contains("good") { "good" } else { "" };
        for _ in 0..3 {
            assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), wanted.as_bytes());
        }
        assert_eq!(server.connections(), 3);
    }
}

/// The same, with a forgery that comes only when the connection is idle.
#[tokio::test]
async fn bytes_on_an_idle_connection_spoil_it() {
    let server = Scripted::start(|_, stream| {
        say(stream, &ok("good"));
        thread::sleep(Duration::from_millis(20));
        say(stream, &ok("EVIL"))
    });
    let mut lane = lane(|_| {});
    for _ in 0..2 {
        assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"good");
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(server.connections(), 2);
}

/// Servers close idle connections at any time, also while the next request is on its way.
#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    for notice in [true, false] {
        let server = Scripted::start(move |seen, stream| {
            if notice {
                say(stream, &ok("fine"));
                return Then::Close;
            }
            match seen.number % 2 {
                0 => say(stream, &ok("fine")),
                _ if seen.connection == 0 => Then::Close,
                _ => say(stream, &ok("fine")),
            }
        });
        let mut lane = lane(|_| {});
        for _ in 0..2 {
            assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"fine");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_short_rest_is_read_to_keep_the_connection_and_a_long_one_is_not() {
    for (len, kept) in [(60_000, true), (2_000_000, false)] {
        let server = Scripted::start(move |_, stream| {
            say(stream, &ok(&"x".repeat(len)));
            Then::Keep
        });
        let mut lane = lane(|_| {});
        for _ in 0..2 {
            let mut response = lane.get(&request(&server.url("/"))).await.unwrap();
            assert!(response.body.read(&mut [0; 10]).await.unwrap() > 0);
            tokio::time::sleep(Duration::from_millis(50)).await;
            response.body.finish(&mut lane);
        }
        assert_eq!(server.connections(), if kept { 1 } else { 2 }, "{len}");
    }
}

#[tokio::test]
async fn hosts_that_are_away() {
    // Bound and not listening: nobody else gets the port meanwhile.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    deaf.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let addr = deaf.local_addr().unwrap().as_socket().unwrap();
    let error = fetch(&mut lane(|_| {}), &format!("http://{addr}/")).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "{error:?}");
    assert_eq!(error.retry(), Class::Transient);

    // A listener whose queue is full answers no handshake.
    let full = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let addr = full.local_addr().unwrap();
    let _first = std::net::TcpStream::connect(addr).unwrap();
    let mut lane = lane(|config| config.connect_timeout = Duration::from_millis(300));
    let begin = Instant::now();
    let error = fetch(&mut lane, &format!("http://{addr}/")).await.unwrap_err();
    assert!(matches!(error, RemoteError::ConnectTimeout { .. }), "{error:?}");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn both_families_and_each_alone() {
    let server = Scripted::saying(ok("v4"));
    let url = format!("http://localhost:{}/", server.addr.port());
    // The system may put ::1 first, where nothing listens.
    assert_eq!(fetch(&mut lane(|_| {}), &url).await.unwrap(), b"v4");
    let mut v4 = lane(|config| config.address_family = AddressFamily::V4);
    assert_eq!(fetch(&mut v4, &url).await.unwrap(), b"v4");
    let mut v6 = lane(|config| config.address_family = AddressFamily::V6);
    let error = fetch(&mut v6, &server.url("/")).await.unwrap_err();
    assert!(matches!(error, RemoteError::Resolve { .. }), "{error:?}");
    assert_eq!(error.retry(), Class::Fatal);
}

#[tokio::test]
async fn an_ipv6_address_in_the_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        piton_testkit::skip("no IPv6 here");
        return;
    };
    let server = Scripted::on(listener, |_, stream| say(stream, &ok("v6")));
    let mut lane = lane(|config| config.address_family = AddressFamily::V6);
    assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"v6");
    assert_eq!(server.seen()[0].header("host"), Some(server.addr.to_string().as_str()));
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for url in ["ftp://127.0.0.1/x", "file:///etc/hostname"] {
        let error = lane(|_| {}).get(&request(url)).await.unwrap_err();
        assert!(matches!(error, RemoteError::UnsupportedScheme { .. }), "{error:?}");
    }
}

/// A server that is never silent, and never done.
#[tokio::test]
async fn a_body_that_crawls_is_given_up() {
    let server = Scripted::start(|_, stream| {
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while let Then::Keep = say(stream, b"x") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Then::Close
    });
    let over = std::time::Duration::from_millis(300);
    let mut lane = lane(|config| config.min_rate = Some(MinRate { bytes: 10_000, over }));
    let error = fetch(&mut lane, &server.url("/")).await.unwrap_err();
    assert!(matches!(error, RemoteError::TooSlow { least: 10_000, .. }), "{error:?}");
    assert_eq!(error.retry(), Class::Transient);
    // One that does not wait for more is not too slow.
    let quick = Scripted::saying(ok("all of it"));
    fetch(&mut lane, &quick.url("/")).await.unwrap();
}
