//! Where a body begins and ends, however the bytes are cut on their way.

use std::thread;
use std::time::Duration;

use http::{StatusCode, Version};
use piton_checkpoint::Class;
use piton_remote::RemoteError;

use super::scripted::{Scripted, Then, say};
use super::{fetch, lane, read_all, request};

/// Answers as seen in the wild, each with a body of "hello world", on a connection that can be kept.
const HELLOS: [&str; 5] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 11\r\n\r\nhello world",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
     HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
     6\r\nhello \r\n005;x=y\r\nworld\r\n0\r\nTrailer: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nContent-Length: 11\r\n\r\nhello world",
];

/// The takeover of the socket from the HTTP library must not lose or double a byte, wherever its reads end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_survives_a_cut_at_every_byte() {
    let tests = HELLOS.map(|hello| {
        tokio::spawn(async move {
            let server = Scripted::start(move |seen, stream| {
                let (front, back) = hello.as_bytes().split_at(seen.number.min(hello.len()));
                say(stream, front);
                thread::sleep(Duration::from_millis(2));
                say(stream, back)
            });
            let mut lane = lane(|_| {});
            for cut in 0..=hello.len() {
                let body = fetch(&mut lane, &server.url("/")).await.unwrap();
                assert_eq!(body, b"hello world", "cut at {cut} of {hello:?}");
            }
            assert_eq!(server.connections(), 1, "{hello:?} keeps its connection");
        })
    });
    for test in tests {
        test.await.unwrap();
    }
}

#[tokio::test]
async fn a_body_survives_dripping() {
    for hello in HELLOS {
        let server = Scripted::start(move |_, stream| {
            for byte in hello.as_bytes() {
                say(stream, &[*byte]);
                thread::sleep(Duration::from_micros(200));
            }
            Then::Keep
        });
        let mut lane = lane(|_| {});
        for _ in 0..2 {
            assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"hello world");
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

fn announced(body: &[u8]) -> Vec<u8> {
    let mut all = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    all.extend_from_slice(body);
    all
}

#[tokio::test]
async fn large_bodies_by_any_buffer_and_mark() {
    let wanted = pattern(3_000_001);
    let server = Scripted::saying(announced(&wanted));
    let mut lane = lane(|_| {});
    for (buffer, mark) in [(1000, 1), (65_536, 100_000), (1 << 20, 256 << 10), (300_000, 300_000)] {
        let mut response = lane.get(&request(&server.url("/"))).await.unwrap();
        assert_eq!(response.body.remaining(), Some(wanted.len() as u64));
        response.body.set_low_water(mark);
        let (mut got, mut piece) = (Vec::new(), vec![0; buffer]);
        loop {
            let n = response.body.read(&mut piece).await.unwrap();
            if n == 0 {
                break;
            }
            got.extend_from_slice(&piece[..n]);
            assert_eq!(response.body.remaining(), Some((wanted.len() - got.len()) as u64));
        }
        assert!(got == wanted, "buffer {buffer}, mark {mark}");
        response.body.finish(&mut lane);
    }
    assert_eq!(server.connections(), 1);
}

/// A mark above what is still to come must not wait for bytes that nobody will send, and below the mark
/// `try_read` still sees what is there.
#[tokio::test]
async fn the_low_water_mark_holds_back_the_reader_only() {
    let server = Scripted::start(|_, stream| {
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n");
        thread::sleep(Duration::from_millis(50));
        say(stream, &[b'a'; 10_000]);
        thread::sleep(Duration::from_millis(250));
        say(stream, &[b'b'; 20_000])
    });
    let mut lane = lane(|_| {});
    let mut body = lane.get(&request(&server.url("/"))).await.unwrap().body;
    body.set_low_water(1 << 20);
    let mut piece = vec![0; 6_000];
    let patience = Duration::from_millis(150);
    assert!(tokio::time::timeout(patience, body.read(&mut piece)).await.is_err(), "below the mark");
    assert_eq!(body.try_read(&mut piece).unwrap().unwrap(), 6_000);
    assert_eq!(body.try_read(&mut piece).unwrap().unwrap(), 4_000);
    assert!(body.try_read(&mut piece).is_none());
    let rest = tokio::time::timeout(Duration::from_secs(5), read_all(&mut body)).await.unwrap();
    assert_eq!(rest.unwrap(), [b'b'; 20_000]);
}

#[tokio::test]
async fn try_read_takes_what_is_there() {
    for hello in HELLOS {
        let server = Scripted::saying(hello);
        let mut lane = lane(|_| {});
        let mut body = lane.get(&request(&server.url("/"))).await.unwrap().body;
        let mut got = Vec::new();
        let mut piece = [0; 4];
        for _ in 0..100 {
            match body.try_read(&mut piece) {
                Some(Ok(0)) => break,
                Some(n) => got.extend_from_slice(&piece[..n.unwrap()]),
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
        assert_eq!(got, b"hello world");
    }
}

#[tokio::test]
async fn bodies_that_are_empty() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: \"a\"\r\n\r\n",
        "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */7\r\nContent-Length: 0\r\n\r\n",
    ] {
        let server = Scripted::saying(head);
        let mut lane = lane(|_| {});
        for _ in 0..2 {
            let mut response = lane.get(&request(&server.url("/"))).await.unwrap();
            assert_eq!(response.body.remaining(), Some(0), "{head}");
            assert_eq!(read_all(&mut response.body).await.unwrap(), b"");
            response.body.finish(&mut lane);
        }
        assert_eq!(server.connections(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_body_may_end_with_the_connection() {
    let server = Scripted::saying_then_closing("HTTP/1.0 200 OK\r\n\r\nto the end");
    let mut lane = lane(|_| {});
    let mut response = lane.get(&request(&server.url("/"))).await.unwrap();
    assert_eq!((response.status, response.version), (StatusCode::OK, Version::HTTP_10));
    assert_eq!(response.body.remaining(), None);
    assert_eq!(read_all(&mut response.body).await.unwrap(), b"to the end");
    assert_eq!(response.body.read(&mut [0; 9]).await.unwrap(), 0, "the end stays the end");
}

/// Behind a large head the HTTP library holds kilobytes of the body when the socket is taken from it.
#[tokio::test]
async fn a_large_head_takes_nothing_from_the_body() {
    let body = pattern(100_000);
    for length in ["Content-Length: 100000\r\n", ""] {
        let head = format!("HTTP/1.0 200 OK\r\nX: {}\r\n{length}\r\n", "y".repeat(50_000));
        let server = Scripted::saying_then_closing([head.as_bytes(), &body].concat());
        for _ in 0..5 {
            assert!(fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap() == body, "{length}");
        }
    }
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_that_counts() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n".to_owned() + &"x".repeat(20_000);
    let head = whole.len() - 20_000;
    for came in [0, 1, 100, 8192 - head, 19_999] {
        let server = Scripted::saying_then_closing(&whole.as_bytes()[..head + came]);
        let mut lane = lane(|_| {});
        let mut body = lane.get(&request(&server.url("/"))).await.unwrap().body;
        let mut piece = vec![0; 1000];
        let mut got = 0;
        let error = loop {
            match body.read(&mut piece).await {
                Ok(0) => panic!("a cut body ended well"),
                Ok(n) => got += n,
                Err(error) => break error,
            }
        };
        assert_eq!(got, came);
        let RemoteError::Truncated { got, expected, .. } = &error else { panic!("{error}") };
        assert_eq!((*got, *expected), (came as u64, Some(20_000)));
        assert_eq!(error.retry(), Class::Transient);
    }
}

#[tokio::test]
async fn a_chunked_body_without_its_end_is_cut() {
    let all = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let body = all.find("5\r\n").unwrap();
    for came in body..all.len() {
        let server = Scripted::saying_then_closing(&all.as_bytes()[..came]);
        let error = fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, RemoteError::Truncated { .. }), "{came}: {error}");
    }
}

/// hyper calls both a head that is too large.
#[tokio::test]
async fn a_length_that_nothing_can_have_is_told_from_a_head_that_is_too_large() {
    for (length, said) in [
        ("18446744073709551615", "announces an impossible length"),
        ("18446744073709551614", "announces an impossible length"),
        ("18446744073709551616", "invalid content-length"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nbody");
        let server = Scripted::saying(answer);
        let error = fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap_err();
        assert!(error.to_string().contains(said), "{length}: {error}");
    }
    for head in ["X: y\r\n".repeat(1000), format!("X: {}\r\n", "y".repeat(100_000))] {
        let server = Scripted::saying(format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
        let error = fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap_err();
        assert!(error.to_string().contains("head is too large"), "{error}");
    }
}

/// A download would else end where the length says, with a file that is cut short and called complete.
#[tokio::test]
async fn a_length_beside_chunks_does_not_count() {
    const BOTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                        b\r\nhello world\r\n0\r\n\r\n";
    let server = Scripted::start(|_, stream| say(stream, BOTH.as_bytes()));
    let mut lane = lane(|_| {});
    let response = lane.get(&request(&server.url("/"))).await.unwrap();
    assert_eq!(response.headers.get(http::header::CONTENT_LENGTH), None);
    assert_eq!(fetch(&mut lane, &server.url("/")).await.unwrap(), b"hello world");
}
