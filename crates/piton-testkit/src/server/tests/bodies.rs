//! Faults in the body.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::client::{Answer, Client, End, get, get_impatiently, range};
use crate::server::{Body, Fault, KIB, MIB, Resource, Server, Site};

fn server(fault: Fault) -> Server {
    Server::start(Site::new().with("/f", Resource::pattern(7, MIB)).fault(fault))
}

fn answer(fault: Fault) -> Answer {
    get(&server(fault), "/f", "")
}

#[test]
fn cuts() {
    let cut = answer(Fault::cut_after(1000));
    cut.assert_pattern(7, 0, 1000);
    assert_eq!((cut.end, cut.field("content-length")), (End::Fin, Some("1048576")));
    assert_eq!(answer(Fault::cut_after(0)).end, End::Fin);
}

#[test]
fn resets_in_each_reply() {
    let server = server(Fault::reset_after(700 * KIB).on("/f"));
    for start in [0, 1000] {
        let answer = range(&server, "/f", &format!("{start}-"));
        assert_eq!(answer.end, End::Reset);
        // A reset may overtake bytes that were sent before it.
        assert!(answer.body.len() as u64 <= 700 * KIB);
    }
    assert_eq!(server.stats().requests[1].sent, 700 * KIB);
    assert_eq!(range(&server, "/f", "0-1023").end, End::Open);
}

#[test]
fn ends_of_connections_by_their_bytes() {
    for (fault, end) in [
        (Fault::reset_connection_after(1500), End::Reset),
        (Fault::cut_connection_after(1500), End::Fin),
    ] {
        let server = server(fault);
        let mut client = Client::connect(server.addr());
        assert_eq!(client.ask("GET", "/f", "Range: bytes=0-999\r\n").end, End::Open);
        assert_eq!(client.ask("GET", "/f", "Range: bytes=0-999\r\n").end, end);
        assert_eq!(server.stats().requests[1].sent, 500);
    }
}

#[test]
fn stalls_and_pauses() {
    let stalled = get_impatiently(&server(Fault::stall_after(5000)), "/f", "");
    stalled.assert_pattern(7, 0, 5000);
    assert_eq!(stalled.end, End::Silent);
    let withheld = server(Fault::withholds_last(1000));
    let stalled = get_impatiently(&withheld, "/f", "Range: bytes=5000-\r\n");
    stalled.assert_pattern(7, 5000, MIB as usize - 6000);
    assert_eq!(range(&withheld, "/f", "0-9").end, End::Open);
    let start = Instant::now();
    answer(Fault::pause_after(5000, Duration::from_millis(100))).assert_pattern(7, 0, MIB as usize);
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_crawl_is_as_slow_as_it_says() {
    let server = server(Fault::crawl(100_000));
    let start = Instant::now();
    range(&server, "/f", "0-29999").assert_pattern(7, 0, 30_000);
    let rate = 30_000.0 / start.elapsed().as_secs_f64();
    assert!((50_000.0..=105_000.0).contains(&rate), "{rate}");
}

/// The bytes in chunks, and whether the last chunk came.
fn dechunk(mut bytes: &[u8]) -> Result<(Vec<u8>, bool), String> {
    let mut body = Vec::new();
    while !bytes.is_empty() {
        let line = bytes.windows(2).position(|w| w == b"\r\n").ok_or("no end of the size line")?;
        let size = String::from_utf8_lossy(&bytes[..line]).into_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| size)?;
        bytes = &bytes[line + 2..];
        if size == 0 {
            return Ok((body, true));
        }
        if bytes.len() < size + 2 {
            body.extend_from_slice(&bytes[..size.min(bytes.len())]);
            break;
        }
        body.extend_from_slice(&bytes[..size]);
        bytes = &bytes[size + 2..];
    }
    Ok((body, false))
}

#[test]
fn chunks() {
    let whole = answer(Fault::chunked(300_000).and(Fault::closes_connection()));
    assert_eq!(
        (whole.field("transfer-encoding"), whole.field("content-length")),
        (Some("chunked"), None)
    );
    let (body, ended) = dechunk(&whole.body).unwrap();
    assert!(ended && body == crate::server::pattern::bytes(7, MIB as usize));
    let garbled = answer(Fault::garbled_chunks(1000, 5000));
    assert_eq!(dechunk(&garbled.body), Err("zz;what?".to_owned()));
    assert_eq!(garbled.end, End::Fin);
    let truncated = answer(Fault::truncated_chunks(1000, 5500));
    let (body, ended) = dechunk(&truncated.body).unwrap();
    assert_eq!((body.len(), ended, truncated.end), (5500, false, End::Fin));
    let unended = answer(Fault::no_last_chunk(100_000));
    let (body, ended) = dechunk(&unended.body).unwrap();
    assert_eq!((body.len() as u64, ended, unended.end), (MIB, false, End::Fin));
}

#[test]
fn an_error_in_place_of_a_chunked_body_has_no_chunks() {
    let error = answer(Fault::chunked(1000).and(Fault::flip_once(0)).and(Fault::status(500)));
    assert_eq!((error.status(), error.end), (500, End::Open));
    assert!(error.body.starts_with(b"the status"));
}

#[test]
fn a_body_without_end() {
    let server = server(Fault::endless());
    let mut client = Client::connect(server.addr());
    client.0.write_all(b"GET /f HTTP/1.1\r\n\r\n").unwrap();
    let mut bytes = vec![1; 5 << 20];
    client.0.read_exact(&mut bytes).unwrap();
    assert!(
        !String::from_utf8_lossy(&bytes[..500]).to_ascii_lowercase().contains("content-length")
    );
    assert!(bytes[4 << 20..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_body_without_end_can_crawl() {
    let site = Site::new().with("/f", Resource::bytes(*b"begin"));
    let server = Server::start(site.fault(Fault::endless().and(Fault::crawl(100_000))));
    let mut client = Client::connect(server.addr());
    let start = Instant::now();
    client.0.write_all(b"GET /f HTTP/1.1\r\n\r\n").unwrap();
    client.0.read_exact(&mut [0; 20_000]).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[test]
fn more_than_was_promised() {
    let server = server(Fault::extra_bytes(b"extra").and(Fault::closes_connection()));
    let mut client = Client::connect(server.addr());
    client.0.write_all(b"GET /f HTTP/1.1\r\n\r\n").unwrap();
    let (bytes, end) = client.rest();
    assert!(bytes.ends_with(b"extra"));
    assert_eq!(end, End::Fin);
}

#[test]
fn flipped_bits() {
    let right = crate::server::pattern::bytes(7, MIB as usize);
    let always = server(Fault::flip(600_000));
    for _ in 0..2 {
        let part = range(&always, "/f", "599999-600001");
        assert_eq!(part.body, [right[599_999], right[600_000] ^ 1, right[600_001]]);
    }
    let once = server(Fault::flip_once(600_000));
    range(&once, "/f", "0-9").assert_pattern(7, 0, 10);
    assert_eq!(get(&once, "/f", "").body[600_000], right[600_000] ^ 1);
    get(&once, "/f", "").assert_pattern(7, 0, MIB as usize);
}

#[test]
fn a_file_overwritten_while_it_is_sent() {
    let answer = answer(Fault::overwritten_from(500_000, Body::Pattern { seed: 8, len: MIB }));
    assert_eq!(crate::server::pattern::first_difference(7, 0, &answer.body), Some(500_000));
    assert_eq!(crate::server::pattern::first_difference(8, 500_000, &answer.body[500_000..]), None);
}

#[test]
fn a_file_replaced_after_some_bytes() {
    let server = server(Fault::replaces_after(1500, "/f", Resource::pattern(8, MIB)));
    range(&server, "/f", "0-999").assert_pattern(7, 0, 1000);
    range(&server, "/f", "0-999").assert_pattern(7, 0, 1000);
    range(&server, "/f", "0-999").assert_pattern(8, 0, 1000);
}

#[test]
fn an_error_page_with_status_200() {
    let page = answer(Fault::error_page("<h1>log in first</h1>"));
    assert_eq!((page.status(), page.field("content-type")), (200, Some("text/html")));
    assert_eq!(page.body, b"<h1>log in first</h1>");
}
