//! Where redirects lead, and where they end.

use http::HeaderValue;
use piton_remote::{ByteRange, RemoteError};

use super::scripted::{Scripted, Seen, ok, say};
use super::{fetch, head, lane, request};

fn to(status: u16, location: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 5\r\n\r\nmoved"
    );
    head.into_bytes()
}

/// /N leads to /N-1, and /0 is the file.
fn staircase() -> Scripted {
    Scripted::start(|seen: &Seen, stream| {
        let step = seen.target()[1..].split('?').next().unwrap().parse::<u32>().unwrap();
        match step {
            0 => say(stream, &ok("file")),
            n => say(stream, &to([301, 302, 303, 307, 308][n as usize % 5], &(n - 1).to_string())),
        }
    })
}

#[tokio::test]
async fn as_many_as_allowed() {
    let server = staircase();
    let mut lane = lane(|config| config.redirects = 7);
    assert_eq!(fetch(&mut lane, &server.url("/7")).await.unwrap(), b"file");
    assert_eq!(server.connections(), 1, "a short body is drained");
    let error = fetch(&mut lane, &server.url("/8")).await.unwrap_err();
    assert!(matches!(error, RemoteError::TooManyRedirects { limit: 7, .. }), "{error:?}");
}

#[tokio::test]
async fn a_loop_ends() {
    let server = Scripted::saying(to(302, "/"));
    let error = fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap_err();
    assert!(matches!(error, RemoteError::TooManyRedirects { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 21);
}

#[tokio::test]
async fn the_range_and_its_condition_go_along() {
    let server = staircase();
    let mut asked = request(&server.url("/2#part"));
    asked.range = Some(ByteRange { first: 5, last: Some(9) });
    asked.if_range = Some(HeaderValue::from_static("\"v1\""));
    let response = head(&mut lane(|_| {}), &asked).await.unwrap();
    assert_eq!(response.url.as_str(), server.url("/0#part"));
    assert!(response.redirected);
    assert_eq!(response.peer, server.addr);
    for seen in server.seen() {
        assert_eq!(seen.header("range"), Some("bytes=5-9"));
        assert_eq!(seen.header("if-range"), Some("\"v1\""));
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
        assert_eq!(seen.header("host"), Some(server.addr.to_string().as_str()));
    }
}

#[tokio::test]
async fn both_ends_of_a_redirect_keep_their_connection() {
    let cdn = Scripted::saying(ok("file"));
    let target = cdn.url("/f");
    let server = Scripted::saying(to(302, &target));
    let mut lane = lane(|_| {});
    for _ in 0..3 {
        assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"file");
    }
    assert_eq!((server.connections(), cdn.connections()), (1, 1));
}

#[tokio::test]
async fn a_redirect_to_nowhere() {
    let nothing = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_owned();
    for answer in [nothing.into_bytes(), to(302, "ftp://a.example/"), to(307, "http://[oops/")] {
        let server = Scripted::saying(answer);
        let error = fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, RemoteError::BadRedirect { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn open_ranges_and_conditions_are_sent_as_given() {
    let server = Scripted::saying(ok("x"));
    let mut asked = request(&server.url("/a%20b?q=`{|}"));
    asked.range = Some(ByteRange { first: 7, last: None });
    asked.if_modified_since = Some(HeaderValue::from_static("Sat, 21 Nov 2026 07:00:00 GMT"));
    let response = head(&mut lane(|_| {}), &asked).await.unwrap();
    assert!(!response.redirected);
    let seen = &server.seen()[0];
    assert_eq!(seen.target(), "/a%20b?q=`{|}");
    assert_eq!(seen.header("range"), Some("bytes=7-"));
    assert_eq!(seen.header("if-modified-since"), Some("Sat, 21 Nov 2026 07:00:00 GMT"));
}
