//! Lengths and heads that lie, or do not end.

use super::*;

#[test]
fn a_length_that_is_no_number_is_refused() {
    for text in ["-1", "+5", "1e9", "5 5", "0x10", "five", "", "18446744073709551616", "7,8"] {
        let desk = Desk::with(Resource::pattern(1, 64 * KIB), Fault::content_length(text));
        let failure = desk.fail(desk.what("/f"));
        assert!(is_protocol(&failure), "{text:?}: {failure:?}");
        assert!(desk.requests() <= 3, "{text:?}: {}", desk.requests());
    }
}

#[test]
fn two_lengths_that_differ_are_refused() {
    for n in [1, 3] {
        let desk =
            Desk::with(Resource::pattern(1, 64 * KIB), Fault::second_content_length("65537"));
        let failure = desk.fail(desk.over(n, "/f"));
        assert!(is_protocol(&failure), "{failure:?}");
    }
}

#[test]
fn the_same_length_twice_is_one_length() {
    for fault in [Fault::content_length_twice(), Fault::content_length("65536, 65536")] {
        let desk = Desk::with(Resource::pattern(1, 64 * KIB), fault.and(Fault::ignores_range()));
        // hyper may refuse it, RFC 9112 lets it; what may not be is a wrong file.
        match desk.get(desk.what("/f")) {
            Ok(_) => desk.assert_only("f", 1, 64 * KIB),
            Err(failure) => assert!(is_protocol(&failure), "{failure:?}"),
        }
    }
}

#[test]
fn exabytes_that_never_come() {
    for length in ["9223372036854775807", "9223372036854775808", "18446744073709551614"] {
        for fault in [Fault::ignores_range(), Fault::content_range_total(length)] {
            let desk = Desk::with(
                Resource::pattern(1, 64 * KIB).etag("\"a\""),
                fault.and(Fault::content_length(length)).and(Fault::closes_silently()),
            );
            let mut what = desk.what("/f");
            what.retries = 1;
            what.stall_timeout = Duration::from_secs(1);
            desk.fail(what);
            assert!(desk.requests() <= 6, "{length}: {}", desk.requests());
        }
    }
}

#[test]
fn a_length_beyond_what_a_file_can_have_in_a_range() {
    for total in ["18446744073709551615", "9223372036854775807"] {
        let site = Site::new()
            .with("/f", Resource::pattern(1, MIB).etag("\"a\""))
            .fault(Fault::content_range_total(total));
        let desk = Desk::new(site);
        let mut what = desk.over(3, "/f");
        what.retries = 1;
        // Asked for as a whole it has a length that can be.
        match desk.get(what) {
            Ok(_) => desk.assert_only("f", 1, MIB),
            Err(failure) => assert!(!desk.path("f").exists(), "{failure:?}"),
        }
    }
}

#[test]
fn a_length_longer_than_what_comes_is_a_cut() {
    let fault =
        Fault::ignores_range().and(Fault::content_length("70000")).and(Fault::closes_silently());
    let desk = Desk::with(Resource::pattern(1, 64 * KIB), fault);
    let mut what = desk.what("/f");
    what.retries = 2;
    let failure = desk.fail(what);
    let cut =
        matches!(failure, Failure::Remote { source: RemoteError::Truncated { .. }, tries: 3 });
    assert!(cut, "{failure:?}");
    assert_eq!(desk.requests(), 3);
}

#[test]
fn nothing_and_one_byte_whatever_the_server() {
    let faults = || {
        [
            Fault::ignores_range(),
            Fault::chunked(100),
            Fault::close_delimited(),
            Fault::http_1_0(),
            Fault::no_validators(),
            Fault::content_range_total("*"),
        ]
    };
    for len in [0, 1] {
        for (number, fault) in faults().into_iter().enumerate() {
            let desk = Desk::with(Resource::pattern(1, len).etag("\"a\""), fault);
            let outcome = desk.get(desk.over(2, "/f"));
            let outcome = outcome.unwrap_or_else(|error| panic!("{len} {number}: {error}"));
            assert_eq!(outcome.size, len, "{number}");
            desk.assert_only("f", 1, len);
            assert!(
                desk.requests() <= 3,
                "{len} {number}: {:?} {:?}",
                desk.events(),
                desk.server.stats().requests
            );
        }
    }
}

#[test]
fn header_floods_are_refused() {
    for fault in
        [Fault::header_flood(100_000, 10), Fault::header_flood(10, 100_000), Fault::endless_head()]
    {
        let desk = Desk::with(Resource::pattern(1, 64 * KIB), fault);
        let failure = desk.fail(desk.what("/f"));
        assert!(is_protocol(&failure), "{failure:?}");
        assert!(desk.requests() <= 3, "{}", desk.requests());
    }
}

#[test]
fn what_is_no_http_is_refused() {
    for raw in [
        b"".as_slice(),
        b"hello\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xff\xfe\xfd\xfc",
    ] {
        let desk = Desk::with(Resource::pattern(1, 64 * KIB), Fault::raw(raw));
        let mut what = desk.what("/f");
        what.retries = 1;
        let failure = desk.fail(what);
        let unfinished =
            matches!(failure, Failure::Remote { source: RemoteError::Reset { .. }, .. });
        assert!(is_protocol(&failure) || unfinished, "{raw:?}: {failure:?}");
        assert!(desk.requests() <= 4, "{raw:?}: {}", desk.requests());
    }
}
