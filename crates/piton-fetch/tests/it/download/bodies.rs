//! Bodies: chunked, without length, cut, garbled, without end, encoded.

use super::*;

const LEN: u64 = 2 * MIB;

fn file() -> Resource {
    Resource::pattern(1, LEN).etag("\"a\"")
}

#[test]
fn forms_of_a_body() {
    each(
        [
            ("chunked", Fault::chunked(1000)),
            ("chunked, no ranges", Fault::chunked(1000).and(Fault::ignores_range())),
            ("small chunks", Fault::chunked(64).and(Fault::ignores_range())),
            ("until the end", Fault::close_delimited().and(Fault::ignores_range())),
            ("HTTP/1.0", Fault::http_1_0()),
            ("HTTP/1.0, no ranges", Fault::http_1_0().and(Fault::ignores_range())),
            (
                "HTTP/1.0, no ranges, no length",
                Fault::http_1_0().and(Fault::ignores_range()).and(Fault::close_delimited()),
            ),
        ],
        |(kind, fault)| {
            for n in [1, 3] {
                let desk = Desk::with(file(), fault.clone());
                desk.get(desk.over(n, "/f")).unwrap_or_else(|error| panic!("{kind}: {error}"));
                desk.assert_only("f", 1, LEN);
            }
        },
    );
}

#[test]
fn cut_and_garbled_once() {
    each(
        [
            ("cut", Fault::cut_after(MIB)),
            ("reset", Fault::reset_after(MIB)),
            ("truncated chunks", Fault::truncated_chunks(1000, MIB)),
            ("no last chunk", Fault::no_last_chunk(1000)),
            ("cut, no ranges", Fault::cut_after(MIB).and(Fault::ignores_range())),
            (
                "truncated chunks, no ranges",
                Fault::truncated_chunks(1000, MIB).and(Fault::ignores_range()),
            ),
            ("no last chunk, no ranges", Fault::no_last_chunk(1000).and(Fault::ignores_range())),
            (
                "reset, no ranges, no length",
                Fault::close_delimited().and(Fault::reset_after(MIB)).and(Fault::ignores_range()),
            ),
        ],
        |(kind, fault)| {
            for n in [1, 3] {
                let desk = Desk::with(file(), fault.clone().nth(1));
                desk.get(desk.over(n, "/f")).unwrap_or_else(|error| panic!("{kind}: {error}"));
                desk.assert_only("f", 1, LEN);
                assert!(desk.requests() <= 6, "{kind}: {}", desk.requests());
            }
        },
    );
}

#[test]
fn streams_that_are_cut_always_are_an_error() {
    for (kind, fault) in [
        ("cut", Fault::cut_after(MIB)),
        ("truncated chunks", Fault::truncated_chunks(1000, MIB)),
        ("no last chunk", Fault::no_last_chunk(1000)),
    ] {
        let desk = Desk::with(Resource::pattern(1, LEN), fault.and(Fault::ignores_range()));
        let mut what = desk.over(2, "/f");
        what.retries = 2;
        let failure = desk.fail(what);
        let truncated =
            matches!(failure, Failure::Remote { source: RemoteError::Truncated { .. }, tries: 3 });
        assert!(truncated, "{kind}: {failure:?}");
        assert_eq!(desk.requests(), 3, "{kind}");
    }
}

#[test]
fn garbled_chunks_break_the_protocol() {
    for at in [0, MIB] {
        let fault = Fault::garbled_chunks(1000, at).and(Fault::ignores_range());
        let desk = Desk::with(file(), fault);
        let mut what = desk.what("/f");
        what.retries = 2;
        let failure = desk.fail(what);
        assert!(is_protocol(&failure), "{failure:?}");
        assert!(desk.requests() <= 3, "{}", desk.requests());
    }
    // Ranges that come in garbled chunks are as bad.
    let desk = Desk::with(file(), Fault::garbled_chunks(1000, MIB).nth(1));
    desk.get(desk.over(1, "/f")).map_or_else(
        |failure| assert!(is_protocol(&failure), "{failure:?}"),
        |_| desk.assert_only("f", 1, LEN),
    );
}

#[test]
fn more_than_was_announced() {
    for fault in [Fault::no_accept_ranges(), Fault::ignores_range()] {
        let desk = Desk::with(file(), fault.and(Fault::extra_bytes(b"and another thing")));
        desk.get(desk.over(3, "/f")).unwrap();
        desk.assert_only("f", 1, LEN);
    }
}

#[test]
fn without_end_up_to_the_limit() {
    let desk = Desk::with(file(), Fault::endless().and(Fault::ignores_range()));
    let mut what = desk.over(2, "/f");
    what.max_size = Some(4 * MIB);
    let failure = desk.fail(what);
    assert!(matches!(failure, Failure::TooLarge { limit } if limit == 4 * MIB), "{failure:?}");
    assert_eq!(desk.requests(), 1);
    // The buffers of the sockets hold a few more.
    assert!(desk.server.stats().sent() < 24 * MIB, "{}", desk.server.stats().sent());
}

#[test]
fn a_size_that_is_known_beforehand_is_judged_beforehand() {
    for (limit, fits) in [(LEN - 1, false), (LEN, true), (0, false)] {
        for fault in [Fault::no_accept_ranges(), Fault::ignores_range()] {
            let desk = Desk::with(file(), fault);
            let mut what = desk.over(2, "/f");
            what.max_size = Some(limit);
            if fits {
                desk.get(what).unwrap();
                desk.assert_only("f", 1, LEN);
            } else {
                assert!(matches!(desk.fail(what), Failure::TooLarge { .. }));
                assert_eq!((desk.requests(), desk.files()), (1, vec![]));
            }
        }
    }
}

#[test]
fn a_size_that_is_found_too_large_on_the_way() {
    for fault in [Fault::chunked(5000), Fault::close_delimited()] {
        let desk = Desk::with(file(), fault.and(Fault::ignores_range()));
        let mut what = desk.what("/f");
        what.max_size = Some(LEN - 1);
        assert!(matches!(desk.fail(what.clone()), Failure::TooLarge { .. }));
        what.max_size = Some(LEN);
        desk.get(what).unwrap();
        desk.assert_only("f", 1, LEN);
    }
}

/// Kept as stored: nobody asked for the coding, and the bytes are often those of a `.tar.gz`.
#[test]
fn an_encoding_that_nobody_asked_for() {
    for n in [1, 3] {
        let desk = Desk::with(file(), Fault::claims_gzip());
        desk.get(desk.over(n, "/f")).unwrap();
        desk.assert_only("f", 1, LEN);
        assert!(desk.saw(|event| matches!(event, Event::Encoded { coding } if coding == "gzip")));
    }
}

/// An encoded body may come out otherwise each time: only a strong tag lets it be continued.
#[test]
fn an_encoded_body_is_not_resumed_by_offset() {
    for (resource, resumes) in [
        (Resource::pattern(1, LEN).etag("\"a\""), true),
        (Resource::pattern(1, LEN).last_modified_text("then"), false),
        (Resource::pattern(1, LEN), false),
    ] {
        let site = Site::new().with("/f", resource).rate_total(4 * MIB).fault(Fault::claims_gzip());
        let desk = Desk::new(site);
        desk.kill_at(desk.what("/f"), MIB);
        let outcome = desk.get(desk.over(2, "/f")).unwrap();
        assert_eq!(outcome.resumed > 0, resumes, "{outcome:?}");
        desk.assert_only("f", 1, LEN);
    }
}

/// Stored in the first run, encoded in the second, or the other way round: never joined.
#[test]
fn a_coding_that_comes_or_goes() {
    for encoded_first in [true, false] {
        let site =
            Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(4 * MIB);
        let desk = Desk::new(site);
        if encoded_first {
            desk.server.add_fault(Fault::claims_gzip());
        }
        desk.kill_at(desk.what("/f"), MIB);
        desk.server.clear_faults();
        if !encoded_first {
            desk.server.add_fault(Fault::claims_gzip());
        }
        assert_eq!(desk.get(desk.what("/f")).unwrap().resumed, 0);
        desk.assert_only("f", 1, LEN);
    }
}
