//! Faults with ranges and versions.

use std::time::{Duration, SystemTime};

use super::client::{Answer, get, range};
use crate::server::{Fault, Resource, Server, Site, http_date};

fn server(fault: Fault) -> Server {
    let resource = Resource::pattern(7, 10_000).etag("\"a\"").last_modified(SystemTime::UNIX_EPOCH);
    Server::start(Site::new().with("/f", resource).fault(fault))
}

fn answer(fault: Fault, fields: &str) -> Answer {
    get(&server(fault), "/f", &format!("Range: bytes=1000-1999\r\n{fields}"))
}

#[test]
fn the_whole_body_for_a_range() {
    let whole = answer(Fault::ignores_range(), "");
    assert_eq!((whole.status(), whole.field("accept-ranges")), (200, Some("bytes")));
    whole.assert_pattern(7, 0, 10_000);
}

#[test]
fn another_place() {
    let shifted = answer(Fault::shifted_range(500), "");
    assert_eq!(
        (shifted.status(), shifted.field("content-range")),
        (206, Some("bytes 1500-2499/10000"))
    );
    shifted.assert_pattern(7, 1500, 1000);
    let before = answer(Fault::shifted_range(-5000), "");
    assert_eq!(before.field("content-range"), Some("bytes 0-999/10000"));
    let lying = answer(Fault::shifted_bytes(500), "");
    assert_eq!(lying.field("content-range"), Some("bytes 1000-1999/10000"));
    lying.assert_pattern(7, 1500, 1000);
}

#[test]
fn less_than_asked() {
    let short = answer(Fault::short_range(10), "");
    assert_eq!(short.field("content-range"), Some("bytes 1000-1009/10000"));
    short.assert_pattern(7, 1000, 10);
}

#[test]
fn content_range_missing_and_wrong() {
    assert_eq!(answer(Fault::no_content_range(), "").field("content-range"), None);
    assert_eq!(
        answer(Fault::content_range("bytes=1-2"), "").field("content-range"),
        Some("bytes=1-2")
    );
    let total = |text| {
        answer(Fault::content_range_total(text), "").field("content-range").unwrap().to_owned()
    };
    assert_eq!(total("*"), "bytes 1000-1999/*");
    assert_eq!(total("77"), "bytes 1000-1999/77");
    let unsatisfiable = answer(Fault::unsatisfiable(), "");
    assert_eq!(
        (unsatisfiable.status(), unsatisfiable.field("content-range")),
        (416, Some("bytes */10000"))
    );
}

#[test]
fn multipart() {
    let answer = answer(Fault::multipart_byteranges(), "");
    assert_eq!(answer.status(), 206);
    assert!(answer.field("content-type").unwrap().starts_with("multipart/byteranges; boundary="));
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("\r\nContent-Range: bytes 1000-1999/10000\r\n\r\n"));
    assert!(answer.body.len() > 1000);
}

#[test]
fn another_version_from_the_second_connection_on() {
    let server =
        server(Fault::other_version(Resource::pattern(8, 10_000).etag("\"b\"")).connections(2..));
    assert_eq!(range(&server, "/f", "0-9").field("etag"), Some("\"a\""));
    let other = range(&server, "/f", "1000-1999");
    assert_eq!((other.status(), other.field("etag")), (206, Some("\"b\"")));
    other.assert_pattern(8, 1000, 1000);
}

#[test]
fn a_swap_at_the_nth_request() {
    let server = server(Fault::replaces("/f", Resource::pattern(8, 10_000)).nth(2));
    range(&server, "/f", "0-9").assert_pattern(7, 0, 10);
    range(&server, "/f", "0-9").assert_pattern(8, 0, 10);
    range(&server, "/f", "0-9").assert_pattern(8, 0, 10);
}

#[test]
fn if_range_that_does_not_work() {
    let ignored = Fault::ignores_if_range();
    assert_eq!(answer(ignored, "If-Range: \"other\"\r\n").status(), 206);
    let date = http_date(SystemTime::UNIX_EPOCH);
    let by_date = format!("If-Range: {date}\r\n");
    assert_eq!(answer(Fault::drops_range_for_if_range_etag(), "If-Range: \"a\"\r\n").status(), 200);
    assert_eq!(answer(Fault::drops_range_for_if_range_etag(), &by_date).status(), 206);
    assert_eq!(answer(Fault::if_range_never_matches(), "If-Range: \"a\"\r\n").status(), 200);
    assert_eq!(answer(Fault::if_range_never_matches(), &by_date).status(), 200);
    assert_eq!(answer(Fault::if_range_never_matches(), "").status(), 206);
    let later =
        format!("If-Range: {}\r\n", http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1)));
    assert_eq!(answer(Fault::no_accept_ranges(), &later).status(), 200);
}

#[test]
fn etags_of_a_farm_and_weak_ones() {
    let farm = server(Fault::farm_etags(2));
    let etags: Vec<_> =
        (0..3).map(|_| get(&farm, "/f", "").field("etag").unwrap().to_owned()).collect();
    assert_eq!(etags, ["\"a-node1\"", "\"a-node0\"", "\"a-node1\""]);
    let weak = answer(Fault::weak_etags(), "If-Range: W/\"a\"\r\n");
    assert_eq!((weak.status(), weak.field("etag")), (200, Some("W/\"a\"")));
}
