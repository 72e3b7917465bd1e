//! Rates, limits of connections, signed links, and a server that goes away.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::{Client, End, get, get_impatiently, range};
use crate::server::{Excess, Fault, Lease, MIB, Resource, Server, Site};

fn site() -> Site {
    Site::new().with("/f", Resource::pattern(7, 20 * MIB))
}

/// Bytes per second over `connections` connections that each fetch `bytes`.
fn rate(server: &Server, connections: u64, bytes: u64) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                range(server, "/f", &format!("0-{}", bytes - 1)).assert_pattern(
                    7,
                    0,
                    bytes as usize,
                );
            });
        }
    });
    (connections * bytes) as f64 / start.elapsed().as_secs_f64()
}

/// The upper bound is the point; a busy machine may be slower.
fn assert_rate(rate: f64, expected: f64) {
    assert!((0.5 * expected..1.05 * expected).contains(&rate), "{rate} instead of {expected}");
}

#[test]
fn rates() {
    let each = Server::start(site().rate_per_connection(8_000_000));
    assert_rate(rate(&each, 3, 3_000_000), 24_000_000.0);
    let total = Server::start(site().rate_total(16_000_000));
    assert_rate(rate(&total, 4, 1_500_000), 16_000_000.0);
}

#[test]
fn a_limit_of_connections() {
    for (excess, status, end) in [
        (Excess::Unavailable, 503, End::Open),
        (Excess::Reset, 0, End::Reset),
        (Excess::Hang, 0, End::Silent),
    ] {
        let server = Server::start(site().max_connections(2, excess));
        let mut held: Vec<_> = (0..2).map(|_| Client::connect(server.addr())).collect();
        held.iter_mut().for_each(|client| assert_eq!(client.ask("HEAD", "/f", "").status(), 200));
        let third = get_impatiently(&server, "/f", "Range: bytes=0-9\r\n");
        assert_eq!((third.status(), third.end), (status, end), "{excess:?}");
        drop(held);
        assert_eq!(range(&server, "/f", "0-9").status(), 206, "{excess:?}");
        let stats = server.stats();
        assert_eq!((stats.connections, stats.refused, stats.peak), (4, 1, 2));
    }
}

#[test]
fn links_that_expire_by_use() {
    let site = Site::new().with_signed_at(
        "http://localhost:{port}",
        "/s",
        Resource::pattern(7, 100),
        Lease::Requests(2),
    );
    let server = Server::start(site);
    let redirect = get(&server, "/s", "");
    let base = format!("http://localhost:{}", server.addr().port());
    let link = redirect.field("location").unwrap().strip_prefix(&base).unwrap();
    assert_eq!((redirect.status(), link), (302, "/signed/s?token=1"));
    let statuses: Vec<_> = (0..3).map(|_| get(&server, link, "").status()).collect();
    assert_eq!(statuses, [200, 200, 403]);
    assert_eq!(get(&server, "/signed/s", "").status(), 403);
    let fresh = get(&server, "/s", "");
    let fresh = fresh.field("location").unwrap().strip_prefix(&base).unwrap().to_owned();
    server.replace("/s", Resource::pattern(8, 100));
    get(&server, &fresh, "").assert_pattern(8, 0, 100);
}

#[test]
fn links_that_expire_by_time() {
    let lease = Lease::Time(Duration::from_secs(1));
    let server = Server::start(Site::new().with_signed("/s", Resource::pattern(7, 100), lease));
    let link = get(&server, "/s", "").field("location").unwrap().to_owned();
    assert_eq!(get(&server, &link, "").status(), 200);
    std::thread::sleep(Duration::from_millis(1010));
    assert_eq!(get(&server, &link, "").status(), 403);
}

#[test]
fn away_and_back_on_the_same_port() {
    let server = Server::start(site());
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("HEAD", "/f", "").status(), 200);
    let start = Instant::now();
    server.away(Duration::from_millis(500));
    let refused = TcpStream::connect(server.addr()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_ne!(client.rest().1, End::Silent);
    while TcpStream::connect(server.addr()).is_err() {
        std::thread::sleep(Duration::from_millis(5));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert!(start.elapsed() >= Duration::from_millis(500));
    assert_eq!(range(&server, "/f", "0-9").status(), 206);
}

#[test]
fn away_by_itself() {
    let server = Server::start(site().fault(Fault::away(Duration::from_millis(500)).nth(1)));
    assert_ne!(get(&server, "/f", "").end, End::Open);
    assert!(TcpStream::connect(server.addr()).is_err());
    let server = Server::start(site().fault(Fault::away_after(MIB, Duration::from_millis(500))));
    let cut = get(&server, "/f", "");
    assert!(cut.end != End::Open && cut.body.len() as u64 <= MIB);
    assert!(TcpStream::connect(server.addr()).is_err());
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(get(&server, "/f", "").end, End::Open);
}

#[test]
fn a_server_that_is_away_can_be_dropped() {
    let server = Server::start(site());
    server.away(Duration::from_secs(60));
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn connections_dropped_all_at_once() {
    let server = Server::start(site().fault(Fault::stall_after(10)));
    let mut client = Client::connect(server.addr()).impatient();
    assert_eq!(client.ask("GET", "/f", "").end, End::Silent);
    server.drop_connections();
    assert_ne!(client.rest().1, End::Silent);
    assert_eq!(get_impatiently(&server, "/f", "").end, End::Silent);
}
