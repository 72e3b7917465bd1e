//! Servers that break the protocol: never a panic, never a hang, always a sentence that says what.

use std::time::Duration;

use piton_checkpoint::Class;
use piton_remote::RemoteError;
use tokio::time::timeout;

use super::scripted::{Scripted, Then, say};
use super::{fetch, lane};

async fn refused(server: &Scripted) -> RemoteError {
    let mut lane = lane(|_| {});
    let url = server.url("/");
    timeout(Duration::from_secs(10), fetch(&mut lane, &url)).await.expect("it hangs").unwrap_err()
}

#[tokio::test]
async fn heads_and_chunks_that_are_not_http() {
    let many = |n: usize| (0..n).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    for bad in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "HTTP/1.1 2000 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", many(501)),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70_000)),
        format!("{chunked}\r\nnothex\r\nhello\r\n0\r\n\r\n"),
        format!("{chunked}\r\n-5\r\nhello\r\n0\r\n\r\n"),
        format!("{chunked}\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        format!("{chunked}\r\n5\r\nhelloworld\r\n0\r\n\r\n"),
    ] {
        let server = Scripted::saying(bad.as_str());
        let error = refused(&server).await;
        let shown = &bad[..bad.len().min(80)];
        assert!(matches!(error, RemoteError::Protocol { .. }), "{shown:?}: {error:?}");
        // Over a fresh connection there may be an answer.
        assert_eq!(error.retry(), Class::Transient);
        assert!(error.to_string().starts_with(&server.addr.to_string()), "{error}");
    }
}

#[tokio::test]
async fn heads_without_end() {
    for piece in ["X-Header: value\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", "yyyyyyyyyyyyyyyy"] {
        let start = if piece.starts_with("HTTP") { "" } else { "HTTP/1.1 200 OK\r\nX: " };
        let server = Scripted::start(move |_, stream| {
            say(stream, start.as_bytes());
            while let Then::Keep = say(stream, piece.repeat(100).as_bytes()) {}
            Then::Close
        });
        let error = refused(&server).await;
        assert!(matches!(error, RemoteError::Protocol { .. }), "{piece:?}: {error:?}");
    }
}

/// What curl and browsers make do with, some servers send.
#[tokio::test]
async fn heads_as_they_are() {
    for odd in [
        "X-Folded: one\r\n two\r\n\tthree\r\n",
        "X-Blank : before the colon\r\n",
        "X-N\u{e4}me: in its name\r\n",
        "X Name: two words\r\n",
        "X-Value: \u{1}control\r\n",
        "no colon at all\r\n",
        "Content-Length: 2\r\n",
        "X-Latin: caf\u{e9}\r\n",
        "\u{fffd}\u{fffd}\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{odd}Content-Length: 2\r\n\r\nok");
        let server = Scripted::saying(head);
        let got = fetch(&mut lane(|_| {}), &server.url("/")).await;
        assert_eq!(got.unwrap(), b"ok", "{odd:?}");
    }
}

#[tokio::test]
async fn many_headers_are_no_flood() {
    let head = (0..300).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    let server = Scripted::saying(format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nok"));
    assert_eq!(fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap(), b"ok");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer() {
    for half in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let server = Scripted::saying_then_closing(half);
        let error = refused(&server).await;
        assert!(matches!(error, RemoteError::Reset { .. }), "{half:?}: {error:?}");
        assert_eq!(error.retry(), Class::Transient);
        assert_eq!(server.connections(), 1, "a fresh connection is not asked twice");
    }
}

#[tokio::test]
async fn lengths_of_exabytes_are_numbers_like_others() {
    let server =
        Scripted::saying("HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\nx");
    let body = lane(|_| {}).get(&super::request(&server.url("/"))).await.unwrap().body;
    assert_eq!(body.remaining(), Some(9_000_000_000_000_000_000));
}
