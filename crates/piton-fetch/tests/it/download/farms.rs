//! Farms whose nodes call the same bytes by different tags, and servers with weak tags.

use super::*;

const LEN: u64 = 12 * MIB;

fn site(resource: Resource) -> Site {
    Site::new().with("/f", resource).rate_total(48 * MIB)
}

#[test]
fn tags_that_differ_by_node_with_one_time() {
    for n in [1, 4, 8] {
        for cut in [false, true] {
            let resource = Resource::pattern(1, LEN).etag("\"a\"").last_modified_text("then");
            let mut site = site(resource).fault(Fault::farm_etags(3));
            if cut {
                site = site.fault(Fault::cut_after(MIB));
            }
            let desk = Desk::new(site);
            let outcome = desk.get(desk.over(n, "/f"));
            let outcome =
                outcome.unwrap_or_else(|error| panic!("{n} {cut}: {error} {:?}", desk.events()));
            desk.assert_only("f", 1, LEN);
            assert!(outcome.fetched < 18 * MIB, "{n} {cut}: {}", outcome.fetched);
            let over = |event: &Event| matches!(event, Event::StartedOver { .. });
            assert!(!desk.saw(over), "{n} {cut}: {:?}", desk.events());
        }
    }
}

/// With nothing else to go by, other tags are other versions: it ends, and never with a mixture.
#[test]
fn tags_that_differ_by_node_and_nothing_else() {
    let desk = Desk::new(site(Resource::pattern(1, LEN).etag("\"a\"")).fault(Fault::farm_etags(3)));
    match desk.get(desk.over(4, "/f")) {
        Ok(_) => desk.assert_only("f", 1, LEN),
        Err(failure) => assert!(matches!(failure, Failure::Changed { .. }), "{failure:?}"),
    }
    // One connection leads to one node.
    let desk = Desk::new(site(Resource::pattern(1, LEN).etag("\"a\"")).fault(Fault::farm_etags(3)));
    desk.get(desk.over(1, "/f")).unwrap();
    desk.assert_only("f", 1, LEN);
}

/// Nodes that differ in tags *and* bytes, under one time and size: the joints tell.
#[test]
fn nodes_that_differ_in_bytes_too() {
    let other = Resource::pattern(2, LEN).etag("\"a\"").last_modified_text("then");
    let site = site(Resource::pattern(1, LEN).etag("\"a\"").last_modified_text("then"))
        .fault(Fault::other_version(other).when(|context| context.connection % 2 == 0))
        .fault(Fault::farm_etags(2));
    let desk = Desk::new(site);
    match desk.get(desk.over(4, "/f")) {
        Ok(_) => {
            let bytes = desk.read("f");
            let one = |seed| pattern::first_difference(seed, 0, &bytes).is_none();
            assert!(one(1) || one(2), "{:?}", desk.events());
        }
        Err(failure) => assert!(matches!(failure, Failure::Changed { .. }), "{failure:?}"),
    }
}

#[test]
fn weak_tags() {
    for time in [false, true] {
        let resource = Resource::pattern(1, LEN).etag("W/\"a\"");
        let resource = if time { resource.last_modified_text("then") } else { resource };
        let desk = Desk::new(site(resource).fault(Fault::cut_after(2 * MIB)));
        desk.get(desk.over(4, "/f")).unwrap();
        desk.assert_only("f", 1, LEN);
        let stats = desk.server.stats();
        // RFC 9110, section 13.1.5: no weak tag in If-Range.
        let weak = |request: &piton_testkit::server::RequestRecord| {
            request.headers.first("if-range").is_some_and(|tag| tag.contains('a'))
        };
        assert!(!stats.requests.iter().any(weak));
        assert!(stats.sent() < 15 * MIB, "{}", stats.sent());
    }
}

#[test]
fn strong_tags_are_sent_with_every_range_past_the_first() {
    let desk =
        Desk::new(site(Resource::pattern(1, LEN).etag("\"a\"")).fault(Fault::cut_after(2 * MIB)));
    desk.get(desk.over(3, "/f")).unwrap();
    let stats = desk.server.stats();
    for request in stats.requests.iter().skip(1) {
        assert_eq!(request.headers.first("if-range"), Some("\"a\""), "{request:?}");
    }
}

#[test]
fn bodies_are_asked_for_as_they_are_stored() {
    let desk = Desk::new(site(Resource::pattern(1, LEN).etag("\"a\"")));
    desk.get(desk.over(3, "/f")).unwrap();
    for request in &desk.server.stats().requests {
        assert_eq!(request.headers.first("accept-encoding"), Some("identity"));
    }
}
