//! Faults before and in the head, and access.

use std::time::{Duration, Instant, SystemTime};

use super::client::{Answer, Client, End, get, get_impatiently, range};
use crate::server::date::parse_http_date;
use crate::server::{Fault, Resource, RetryAfter, Server, Site};

fn server(fault: Fault) -> Server {
    Server::start(Site::new().with("/f", Resource::pattern(7, 1000).etag("\"a\"")).fault(fault))
}

fn answer(fault: Fault) -> Answer {
    get(&server(fault), "/f", "")
}

#[test]
fn statuses() {
    for status in [401, 403, 404, 410, 416, 429, 500, 503] {
        assert_eq!(answer(Fault::status(status)).status(), status);
    }
}

#[test]
fn retry_after_in_every_form() {
    let of = |retry_after| {
        answer(Fault::status_retry_after(503, retry_after)).field("retry-after").unwrap().to_owned()
    };
    assert_eq!(of(RetryAfter::Seconds(2)), "2");
    assert_eq!(of(RetryAfter::Text("soon".into())), "soon");
    let date = parse_http_date(&of(RetryAfter::Date(Duration::from_secs(60)))).unwrap();
    let left = date.duration_since(SystemTime::now()).unwrap();
    assert!((55..=60).contains(&left.as_secs()), "{left:?}");
}

#[test]
fn lengths_that_lie() {
    let negative = answer(Fault::content_length("-1").and(Fault::closes_silently()));
    assert_eq!(negative.field("content-length"), Some("-1"));
    let twice = answer(Fault::content_length_twice());
    assert_eq!(twice.fields("content-length"), ["1000", "1000"]);
    let different = answer(Fault::second_content_length("5"));
    assert_eq!(different.fields("content-length"), ["1000", "5"]);
    let server = server(Fault::content_length("9000000000000000000"));
    let exabytes = get_impatiently(&server, "/f", "");
    assert_eq!((exabytes.body.len(), exabytes.end), (1000, End::Silent));
}

#[test]
fn header_floods() {
    let flood = answer(Fault::header_flood(300, 1000));
    assert_eq!(flood.fields("x-flood-299"), ["x".repeat(1000)]);
    assert_eq!(flood.body.len(), 1000);
}

#[test]
fn an_endless_head_lasts_as_long_as_the_client() {
    use std::io::{Read as _, Write as _};
    let server = server(Fault::endless_head());
    let mut client = Client::connect(server.addr());
    client.0.write_all(b"GET /f HTTP/1.1\r\n\r\n").unwrap();
    let mut bytes = vec![0; 3 << 20];
    client.0.read_exact(&mut bytes).unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(!bytes.windows(4).any(|w| w == b"\r\n\r\n"));
}

#[test]
fn redirects_to_paths_hosts_and_itself() {
    let server = server(Fault::redirect(302, "http://localhost:{port}/f").on("/a"));
    server.add_fault(Fault::redirect(308, "/loop").on("/loop"));
    let answer = get(&server, "/a", "");
    let location = format!("http://localhost:{}/f", server.addr().port());
    assert_eq!((answer.status(), answer.field("location")), (302, Some(&*location)));
    assert_eq!(get(&server, "/loop", "").field("location"), Some("/loop"));
}

#[test]
fn header_fields_more_other_and_fewer() {
    let answer = answer(
        Fault::set_cookie("a=b; Path=/").and(Fault::no_accept_ranges()).and(Fault::claims_gzip()),
    );
    assert_eq!(answer.field("set-cookie"), Some("a=b; Path=/"));
    assert_eq!(answer.field("accept-ranges"), None);
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    answer.assert_pattern(7, 0, 1000);
    let server = server(Fault::no_validators().and(Fault::no_accept_ranges()));
    let part = range(&server, "/f", "5-");
    assert_eq!((part.status(), part.field("etag")), (206, None));
}

#[test]
fn head_refused_and_head_hanging() {
    let refused = server(Fault::status(405).method("HEAD"));
    assert_eq!(Client::connect(refused.addr()).ask("HEAD", "/f", "").status(), 405);
    assert_eq!(get(&refused, "/f", "").status(), 200);
    let hanging = server(Fault::hang().method("HEAD"));
    assert_eq!(Client::connect(hanging.addr()).impatient().ask("HEAD", "/f", "").end, End::Silent);
    assert_eq!(get(&hanging, "/f", "").status(), 200);
}

#[test]
fn no_answer() {
    let closed = answer(Fault::closes_unanswered());
    assert_eq!((closed.end, &*closed.head), (End::Fin, ""));
    let reset = answer(Fault::resets_unanswered());
    assert_eq!((reset.end, &*reset.head), (End::Reset, ""));
}

#[test]
fn a_late_answer() {
    let start = Instant::now();
    assert_eq!(answer(Fault::delay(Duration::from_millis(80))).status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[test]
fn raw_bytes() {
    let head =
        answer(Fault::raw_head(b"HTTP/1.1 200\r\nweird\r\n\r\n").and(Fault::closes_silently()));
    assert_eq!(head.head, "HTTP/1.1 200\r\nweird\r\n\r\n");
    assert_eq!(head.body.len(), 1000);
    let all = answer(Fault::raw(b"SSH-2.0-OpenSSH\r\n"));
    assert_eq!((&*all.head, all.end), ("SSH-2.0-OpenSSH\r\n", End::Fin));
}

#[test]
fn connections_that_end_after_the_reply() {
    let old = answer(Fault::http_1_0().and(Fault::close_delimited()));
    assert!(old.head.starts_with("HTTP/1.0 200"));
    assert_eq!(
        (old.field("content-length"), old.field("connection"), old.end),
        (None, Some("close"), End::Fin)
    );
    old.assert_pattern(7, 0, 1000);
    let server = server(Fault::closes_silently());
    let mut client = Client::connect(server.addr());
    let answer = client.ask("GET", "/f", "");
    assert_eq!((answer.field("connection"), answer.end), (None, End::Open));
    assert_eq!(client.rest().1, End::Fin);
}

#[test]
fn logins() {
    let basic = server(Fault::requires_basic("user", "pass"));
    let refused = get(&basic, "/f", "");
    assert_eq!(
        (refused.status(), refused.field("www-authenticate")),
        (401, Some("Basic realm=\"piton\""))
    );
    assert_eq!(get(&basic, "/f", "Authorization: Basic dXNlcjpwYXNz\r\n").status(), 200);
    let bearer = server(Fault::requires_bearer("t0ken"));
    assert_eq!(get(&bearer, "/f", "").status(), 401);
    assert_eq!(get(&bearer, "/f", "Authorization: Bearer t0ken\r\n").status(), 200);
    let cookie = server(Fault::requires_cookie("a", "b"));
    assert_eq!(get(&cookie, "/f", "Cookie: x=y\r\n").status(), 403);
    assert_eq!(get(&cookie, "/f", "Cookie: x=y; a=b\r\n").status(), 200);
}

#[test]
fn which_requests() {
    let statuses = |fault: Fault, requests: &[(&str, &str)]| -> Vec<u16> {
        let server = server(fault);
        requests.iter().map(|(path, fields)| get(&server, path, fields).status()).collect()
    };
    let [all, ranged, other] = [("/f", ""), ("/f", "Range: bytes=5-\r\n"), ("/g", "")];
    let first = ("/f", "Range: bytes=0-\r\n");
    assert_eq!(statuses(Fault::status(500).on("/g"), &[all, other]), [200, 500]);
    assert_eq!(statuses(Fault::status(500).ranged(), &[all, ranged, first]), [200, 500, 500]);
    assert_eq!(
        statuses(Fault::status(500).ranged_past_start(), &[all, ranged, first]),
        [200, 500, 206]
    );
    assert_eq!(statuses(Fault::status(500).nth(2), &[all, all, all]), [200, 500, 200]);
    assert_eq!(statuses(Fault::status(500).nth(2).on("/f"), &[all, other, all]), [200, 404, 500]);
    assert_eq!(statuses(Fault::status(500).first(2), &[all, all, all]), [500, 500, 200]);
    assert_eq!(statuses(Fault::status(500).turns(3..), &[all, all, all]), [200, 200, 500]);
    assert_eq!(statuses(Fault::status(500).connections(2..=2), &[all, all, all]), [200, 500, 200]);
    let drawn = statuses(Fault::status(500).chance(0.5, 1), &[all; 40]);
    let failed = drawn.iter().filter(|status| **status == 500).count();
    assert!((10..=30).contains(&failed), "{failed}");
    assert_eq!(drawn, statuses(Fault::status(500).chance(0.5, 1), &[all; 40]));
}
