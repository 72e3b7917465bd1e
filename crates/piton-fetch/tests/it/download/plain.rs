//! Good days.

use super::*;

#[test]
fn one_connection_one_request() {
    let desk = Desk::new(Site::new().with("/f.bin", Resource::pattern(1, 5 * MIB).etag("\"a\"")));
    let outcome = desk.get(desk.what("/f.bin")).unwrap();
    assert_eq!((outcome.size, outcome.fetched), (5 * MIB, 5 * MIB));
    desk.assert_only("f.bin", 1, 5 * MIB);
    assert_eq!(desk.server.stats().requests.len(), 1);
}

#[test]
fn eight_connections() {
    let desk = Desk::new(Site::new().with("/f.bin", Resource::pattern(1, 64 * MIB).etag("\"a\"")));
    let mut what = desk.what("/f.bin");
    what.connections = connections(8);
    let outcome = desk.get(what).unwrap();
    assert!(outcome.fetched < 80 * MIB, "{}", outcome.fetched);
    desk.assert_only("f.bin", 1, 64 * MIB);
}

#[test]
fn sizes_at_the_edges() {
    for len in [0, 1, 2, 16 * KIB, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB, MIB + 1] {
        for n in [1, 3] {
            let desk = Desk::new(Site::new().with("/f", Resource::pattern(2, len)));
            let mut what = desk.what("/f");
            what.connections = connections(n);
            let outcome = desk.get(what).unwrap_or_else(|error| panic!("{len} {n}: {error}"));
            assert_eq!(outcome.size, len);
            desk.assert_only("f", 2, len);
        }
    }
}

#[test]
fn a_second_call_transfers_nothing() {
    let desk = Desk::new(Site::new().with("/f", Resource::pattern(3, 9 * MIB).etag("\"a\"")));
    desk.get(desk.what("/f")).unwrap();
    let outcome = desk.get(desk.what("/f")).unwrap();
    assert!(outcome.already_complete);
    assert!(desk.server.stats().sent() <= 9 * MIB + 1);
    desk.assert_only("f", 3, 9 * MIB);
}

#[test]
fn a_stop_saves_and_the_next_call_goes_on() {
    let site = Site::new()
        .with("/f", Resource::pattern(4, 20 * MIB).etag("\"a\""))
        .rate_per_connection(8 * MIB);
    let desk = Desk::new(site);
    for _ in 0..2 {
        let stop = Stop::new();
        let later = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(600));
            later.stop();
        });
        let stopped = desk.get_until(desk.what("/f"), stop);
        assert!(matches!(stopped, Err(Failure::Stopped { have, .. }) if have > MIB), "{stopped:?}");
        assert_eq!(desk.files(), ["f.part", "f.piton"]);
    }
    let outcome = desk.get(desk.what("/f")).unwrap();
    assert!(outcome.resumed > 2 * MIB, "{outcome:?} {:?}", desk.events());
    assert!(desk.server.stats().sent() < 28 * MIB, "{}", desk.server.stats().sent());
    desk.assert_only("f", 4, 20 * MIB);
}

#[test]
fn a_server_without_ranges() {
    let site = Site::new()
        .with("/f", Resource::pattern(5, 3 * MIB))
        .fault(Fault::ignores_range().and(Fault::no_accept_ranges()));
    let desk = Desk::new(site);
    let mut what = desk.what("/f");
    what.connections = connections(4);
    desk.get(what).unwrap();
    desk.assert_only("f", 5, 3 * MIB);
    assert_eq!(desk.server.stats().requests.len(), 1);
}

#[test]
fn resets_each_700_kb() {
    let site = Site::new()
        .with("/f", Resource::pattern(6, 8 * MIB).etag("\"a\""))
        .fault(Fault::reset_after(700 * KIB));
    let desk = Desk::new(site);
    desk.get(desk.what("/f")).unwrap();
    desk.assert_only("f", 6, 8 * MIB);
}

#[test]
fn another_address_with_the_same_target_is_another_file() {
    let site = Site::new()
        .with("/a", Resource::pattern(1, 3 * MIB).etag("\"a\""))
        .with("/b", Resource::pattern(2, 3 * MIB).etag("\"b\""))
        .fault(Fault::stall_after(3 * MIB - 1).on("/a").first(1));
    let desk = Desk::new(site);
    let what = |path: &str| {
        let mut what = desk.what(path);
        what.place = Place::File(desk.path("f"));
        what
    };
    let stop = Stop::new();
    let later = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        later.stop();
    });
    assert!(matches!(desk.get_until(what("/a"), stop), Err(Failure::Stopped { .. })));
    desk.get(what("/b")).unwrap();
    desk.assert_only("f", 2, 3 * MIB);
}
