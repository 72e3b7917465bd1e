//! What the server does right.

use std::time::{Duration, SystemTime};

use super::client::{Client, End, get, range};
use crate::server::{DigestField, GIB, Resource, Server, Site, http_date};

fn site() -> Site {
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let resource = Resource::pattern(7, 100_000).etag("\"a\"").last_modified(modified);
    Site::new().with("/f", resource.content_disposition("attachment; filename=f"))
}

#[test]
fn whole_and_part_on_one_connection() {
    let server = Server::start(site());
    let mut client = Client::connect(server.addr());
    let whole = client.ask("GET", "/f?query", "");
    whole.assert_pattern(7, 0, 100_000);
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.field("etag"), Some("\"a\""));
    assert_eq!(whole.field("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(whole.field("content-disposition"), Some("attachment; filename=f"));
    assert_eq!(whole.field("accept-ranges"), Some("bytes"));
    let part = client.ask("GET", "/f", "Range: bytes=99990-\r\nIf-Range: \"a\"\r\n");
    part.assert_pattern(7, 99_990, 10);
    assert_eq!(
        (part.status(), part.field("content-range")),
        (206, Some("bytes 99990-99999/100000"))
    );
    let head = client.ask("HEAD", "/f", "");
    assert_eq!(
        (head.status(), head.field("content-length"), head.end),
        (200, Some("100000"), End::Open)
    );
    let beyond = client.ask("GET", "/f", "Range: bytes=100000-\r\n");
    assert_eq!((beyond.status(), beyond.field("content-range")), (416, Some("bytes */100000")));
    assert_eq!(client.ask("GET", "/f", "If-None-Match: \"a\"\r\n").status(), 304);
    assert_eq!(client.ask("GET", "/nothing", "").status(), 404);
    assert_eq!(client.ask("POST", "/f", "Content-Length: 2\r\n\r\nab").status(), 405);
    let stats = server.stats();
    assert_eq!((stats.connections, stats.peak, stats.open, stats.requests.len()), (1, 1, 1, 7));
    assert_eq!(stats.requests[1].range.as_deref(), Some("bytes=99990-"));
    assert_eq!(
        (stats.requests[1].status, stats.requests[1].sent, stats.requests[1].connection),
        (206, 10, 1)
    );
    assert_eq!(stats.requests_for("/f").count(), 6);
}

#[test]
fn http_1_0_ends_with_the_connection() {
    use std::io::Write as _;
    let server = Server::start(site());
    let mut client = Client::connect(server.addr());
    client.0.write_all(b"GET /f HTTP/1.0\r\n\r\n").unwrap();
    let (bytes, end) = client.rest();
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert_eq!(end, End::Fin);
}

#[test]
fn a_replaced_file_is_another_file() {
    let server = Server::start(site());
    assert_eq!(get(&server, "/f", "").field("etag"), Some("\"a\""));
    server.replace("/f", Resource::bytes(*b"new").etag("\"b\""));
    let answer = get(&server, "/f", "Range: bytes=1-\r\nIf-Range: \"a\"\r\n");
    assert_eq!((answer.status(), &*answer.body), (200, &b"new"[..]));
    server.remove("/f");
    assert_eq!(get(&server, "/f", "").status(), 404);
}

#[test]
fn a_huge_file_needs_no_memory() {
    let server = Server::start(Site::new().with("/huge", Resource::pattern(1, 20 * GIB)));
    let answer = range(&server, "/huge", "21474836000-21474836479");
    assert_eq!(answer.field("content-range"), Some("bytes 21474836000-21474836479/21474836480"));
    answer.assert_pattern(1, 21_474_836_000, 480);
}

#[test]
fn empty_files() {
    let server = Server::start(Site::new().with("/0", Resource::bytes([])));
    let answer = get(&server, "/0", "");
    assert_eq!(
        (answer.status(), answer.field("content-length"), answer.end),
        (200, Some("0"), End::Open)
    );
    assert_eq!(range(&server, "/0", "0-").status(), 416);
}

#[test]
fn digest_fields_of_content_are_not_sent_with_a_part() {
    let resource = Resource::bytes(*b"123456789")
        .digest(DigestField::ContentMd5)
        .wrong_digest(DigestField::ReprSha256);
    let server = Server::start(Site::new().with("/f", resource));
    let whole = get(&server, "/f", "");
    assert_eq!(whole.field("content-md5"), Some("JfnnlDI7RTiF9RgfG2JNCw=="));
    let part = range(&server, "/f", "1-");
    assert_eq!(part.field("content-md5"), None);
    assert_eq!(part.field("repr-digest"), whole.field("repr-digest"));
    assert!(part.field("repr-digest").unwrap().starts_with("sha-256=:"));
}

#[test]
fn dropping_the_server_wakes_whoever_waits_and_frees_the_port() {
    let server = Server::start(site());
    let addr = server.addr();
    let mut client = Client::connect(addr);
    client.ask("HEAD", "/f", "");
    drop(server);
    assert_eq!(client.rest().1, End::Fin);
    assert!(std::net::TcpStream::connect(addr).is_err());
    std::net::TcpListener::bind(addr).unwrap();
}

#[test]
fn ipv6_where_there_is_some() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        crate::skip("no IPv6 loopback");
        return;
    }
    let server = Server::start(site().on_ip("::1".parse().unwrap()));
    assert!(server.url("/f").starts_with("http://[::1]:"));
    assert_eq!(get(&server, "/f", "").status(), 200);
}

#[test]
fn http_dates_of_now_have_the_fixed_length() {
    assert_eq!(http_date(SystemTime::now()).len(), 29);
}
