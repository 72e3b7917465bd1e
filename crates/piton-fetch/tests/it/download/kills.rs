//! A kill (the future dropped), then a resume with another number of connections, and again.

use std::time::SystemTime;

use super::*;

const LEN: u64 = 9 * MIB;

/// Kills at two points, each with another number of connections, and ends with a third.
fn twice(desk: &Desk, path: &str, order: [u16; 3]) -> Outcome {
    desk.kill_at(desk.over(order[0], path), 3 * MIB);
    desk.kill_at(desk.over(order[1], path), 6 * MIB);
    assert_eq!(desk.files(), ["f.part", "f.piton"]);
    let outcome = desk.get(desk.over(order[2], path)).unwrap();
    desk.assert_only("f", 1, LEN);
    outcome
}

const ORDERS: [[u16; 3]; 3] = [[1, 4, 2], [4, 1, 8], [3, 2, 1]];

#[test]
fn with_every_kind_of_validator() {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for (kind, resource) in [
        ("tag", Resource::pattern(1, LEN).etag("\"a\"")),
        ("weak tag and time", Resource::pattern(1, LEN).etag("W/\"a\"").last_modified(then)),
        ("time", Resource::pattern(1, LEN).last_modified(then)),
        ("weak tag", Resource::pattern(1, LEN).etag("W/\"a\"")),
        ("size", Resource::pattern(1, LEN)),
    ] {
        for order in ORDERS {
            let site = Site::new().with("/f", resource.clone()).rate_total(16 * MIB);
            let desk = Desk::new(site);
            let outcome = twice(&desk, "/f", order);
            assert!(outcome.resumed >= 6 * MIB, "{kind} {order:?}: {outcome:?}");
            let sent = desk.server.stats().sent();
            assert!(sent < 18 * MIB, "{kind} {order:?}: {sent}");
            let over = |event: &Event| matches!(event, Event::StartedOver { .. });
            assert!(!desk.saw(over), "{kind} {order:?}: {:?}", desk.events());
        }
    }
}

#[test]
fn with_servers_that_have_their_ways() {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for (kind, fault) in [
        ("drops Range for a tag", Fault::drops_range_for_if_range_etag()),
        ("If-Range never matches", Fault::if_range_never_matches()),
        ("ignores If-Range", Fault::ignores_if_range()),
        ("HTTP/1.0", Fault::http_1_0()),
        ("chunked ranges", Fault::chunked(10_000)),
        ("no Accept-Ranges", Fault::no_accept_ranges()),
        ("resets", Fault::reset_after(700 * KIB)),
        ("short answers", Fault::short_range(MIB)),
        ("a farm", Fault::farm_etags(3)),
    ] {
        let order = [4, 1, 8];
        let resource = Resource::pattern(1, LEN).etag("\"a\"").last_modified(then);
        let site = Site::new().with("/f", resource).rate_total(16 * MIB).fault(fault.clone());
        let desk = Desk::new(site);
        let outcome = twice(&desk, "/f", order);
        assert!(outcome.resumed >= 6 * MIB, "{kind} {order:?}: {outcome:?} {:?}", desk.events());
        let over = |event: &Event| matches!(event, Event::StartedOver { .. });
        assert!(!desk.saw(over), "{kind} {order:?}: {:?}", desk.events());
    }
}

#[test]
fn with_servers_that_cannot_resume() {
    for (kind, fault) in [
        ("no ranges", Fault::ignores_range()),
        ("no ranges, chunked", Fault::ignores_range().and(Fault::chunked(10_000))),
        ("no ranges, no length", Fault::ignores_range().and(Fault::close_delimited())),
    ] {
        let site =
            Site::new().with("/f", Resource::pattern(1, LEN)).rate_total(32 * MIB).fault(fault);
        let desk = Desk::new(site);
        let outcome = twice(&desk, "/f", [1, 4, 2]);
        assert_eq!(outcome.size, LEN, "{kind}");
    }
}

/// A file that the server gives only as a whole, but under a strong tag: what is here is left out,
/// not written again.
#[test]
fn with_a_whole_under_the_same_tag() {
    let site = Site::new()
        .with("/f", Resource::pattern(1, LEN).etag("\"a\""))
        .rate_total(32 * MIB)
        .fault(Fault::ignores_range());
    let desk = Desk::new(site);
    twice(&desk, "/f", [1, 4, 2]);
}

/// Resets on the first run, none on the second: a resume of a resume of a part full of holes.
#[test]
fn with_holes() {
    let site = Site::new()
        .with("/f", Resource::pattern(1, 24 * MIB))
        .rate_per_connection(6 * MIB)
        .fault(Fault::cut_after(600 * KIB));
    let desk = Desk::new(site);
    for (n, at) in [(8, 5 * MIB), (3, 9 * MIB), (16, 14 * MIB)] {
        desk.kill_at(desk.over(n, "/f"), at);
    }
    let outcome = desk.get(desk.over(5, "/f")).unwrap();
    assert!(outcome.resumed >= 14 * MIB, "{outcome:?}");
    desk.assert_only("f", 1, 24 * MIB);
}
