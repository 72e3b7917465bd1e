//! Answers to ranges that are not what was asked for.

use super::*;

fn file() -> Resource {
    Resource::pattern(1, 6 * MIB).etag("\"a\"")
}

/// All that may go wrong with ranges past the start, and what it may cost at the most.
fn wrong_ranges() -> Vec<Fault> {
    vec![
        Fault::shifted_range(4096),
        Fault::shifted_range(-4096),
        Fault::no_content_range(),
        Fault::content_range("bytes 0-9/6291456"),
        Fault::content_range("bytes */6291456"),
        Fault::content_range("octets 1-2/3"),
        Fault::content_range("bytes 5-1/9"),
        Fault::content_range("rubbish"),
        Fault::content_range(""),
        Fault::multipart_byteranges(),
        Fault::unsatisfiable(),
        Fault::status(416),
        Fault::ignores_range(),
        Fault::error_page("<html>please log in</html>").nth(1),
    ]
}

#[test]
fn ranges_that_are_wrong_always() {
    each(wrong_ranges().into_iter().enumerate(), |(number, fault)| {
        let desk = Desk::with(file(), fault.ranged_past_start());
        let outcome = desk.get(desk.over(3, "/f"));
        let outcome =
            outcome.unwrap_or_else(|error| panic!("{number}: {error} {:?}", desk.events()));
        desk.assert_only("f", 1, 6 * MIB);
        let stats = desk.server.stats();
        assert!(stats.requests.len() <= 16, "{number}: {:?} {:?}", desk.events(), stats.requests);
        assert!(outcome.fetched <= 13 * MIB, "{number}: {outcome:?}");
    });
}

#[test]
fn ranges_that_are_wrong_once() {
    each(wrong_ranges().into_iter().enumerate(), |(number, fault)| {
        let desk = Desk::with(file(), fault.ranged_past_start().nth(1));
        let outcome = desk.get(desk.over(3, "/f"));
        outcome.unwrap_or_else(|error| panic!("{number}: {error} {:?}", desk.events()));
        desk.assert_only("f", 1, 6 * MIB);
        assert!(desk.requests() <= 14, "{number}: {}", desk.requests());
    });
}

#[test]
fn a_first_range_that_is_wrong() {
    each(wrong_ranges().into_iter().enumerate(), |(number, fault)| {
        let desk = Desk::with(file(), fault.ranged().when(|_| true));
        let outcome = desk.get(desk.what("/f"));
        if let Err(failure) = &outcome {
            panic!("{number}: {failure} {:?}", desk.events());
        }
        // The page of a portal, answered once to the first question, cannot be told from the file.
        if desk.files() == ["f"] && desk.read("f").starts_with(b"<html>") {
            assert_eq!(number, 13);
            return;
        }
        desk.assert_only("f", 1, 6 * MIB);
        assert!(desk.requests() <= 6, "{number}: {}", desk.requests());
    });
}

#[test]
fn ranges_that_are_wrong_after_a_kill() {
    each(wrong_ranges().into_iter().enumerate(), |(number, fault)| {
        let desk = Desk::new(Site::new().with("/f", file()).rate_per_connection(24 * MIB));
        desk.kill_at(desk.what("/f"), 3 * MIB);
        desk.server.add_fault(fault.ranged_past_start());
        let outcome = desk.get(desk.over(2, "/f"));
        outcome.unwrap_or_else(|error| panic!("{number}: {error} {:?}", desk.events()));
        desk.assert_only("f", 1, 6 * MIB);
        assert!(desk.requests() <= 16, "{number}: {}", desk.requests());
    });
}

#[test]
fn shorter_than_asked() {
    let desk = Desk::with(file(), Fault::short_range(200_000));
    desk.get(desk.over(3, "/f")).unwrap();
    desk.assert_only("f", 1, 6 * MIB);
    assert!(desk.requests() < 60, "{}", desk.requests());
}

/// Shorter than the overlap that a server without strong validators is asked for at each joint.
#[test]
fn shorter_than_the_overlap() {
    for resource in [Resource::pattern(1, MIB), Resource::pattern(1, MIB).etag("\"a\"")] {
        let desk = Desk::new(Site::new().with("/f", resource).rate_per_connection(4 * MIB));
        desk.kill_at(desk.what("/f"), 512 * KIB);
        desk.server.add_fault(Fault::short_range(1000).ranged_past_start());
        let mut what = desk.what("/f");
        what.retries = 2;
        desk.get(what).unwrap();
        desk.assert_only("f", 1, MIB);
    }
}

/// A 206 whose body ends at once, well-formed, again and again.
#[test]
fn ranges_without_a_byte() {
    let head = b"HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\nContent-Range: bytes ";
    let fault = Fault::in_reply(move |reply, context| {
        let range = context.request.headers.first("range").unwrap_or_default();
        let first = range.trim_start_matches("bytes=").split('-').next().unwrap();
        let mut raw = head.to_vec();
        let rest =
            format!("{first}-6291455/6291456\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        raw.extend(rest.bytes());
        reply.raw_head = Some(raw);
        reply.payload = piton_testkit::server::Payload::Bytes(Vec::new());
    });
    let desk = Desk::with(file(), fault.ranged_past_start());
    let mut what = desk.over(3, "/f");
    what.retries = 2;
    // It may be fetched without ranges, or not at all; it must end.
    if desk.get(what).is_ok() {
        desk.assert_only("f", 1, 6 * MIB);
    }
    assert!(desk.requests() < 30, "{}", desk.requests());
}

#[test]
fn a_total_that_is_not_known() {
    for n in [1, 4] {
        let desk = Desk::with(file(), Fault::content_range_total("*"));
        desk.get(desk.over(n, "/f")).unwrap();
        desk.assert_only("f", 1, 6 * MIB);
        assert!(desk.requests() <= 4, "{n}: {}", desk.requests());
    }
}

#[test]
fn bytes_of_another_place_under_the_right_head() {
    let desk = Desk::with(file(), Fault::shifted_bytes(4096).ranged_past_start());
    let mut what = desk.over(3, "/f");
    what.digests = vec![format!("sha256:{}", file().sha256()).parse().unwrap()];
    // Nothing but the digest can tell, and it must.
    assert!(matches!(desk.fail(what), Failure::Integrity { .. }));
}

#[test]
fn a_second_call_with_everything_there_and_416_to_all_ranges() {
    let desk = Desk::with(file(), Fault::unsatisfiable().ranged());
    desk.get(desk.what("/f")).unwrap();
    let again = desk.get(desk.what("/f"));
    assert!(again.unwrap().already_complete);
    desk.assert_only("f", 1, 6 * MIB);
}

/// The whole came in, but the last run was killed before it could know.
#[test]
fn complete_but_for_the_end_of_a_stream_of_unknown_length() {
    let desk = Desk::with(
        Resource::pattern(1, 2 * MIB).etag("\"a\""),
        Fault::chunked(10_000).and(Fault::stall_after(2 * MIB)).first(1),
    );
    desk.kill_when_claimed(desk.what("/f"), 2 * MIB);
    desk.server.clear_faults();
    desk.get(desk.what("/f")).unwrap();
    desk.assert_only("f", 1, 2 * MIB);
    assert!(desk.requests() <= 4, "{}", desk.requests());
}
