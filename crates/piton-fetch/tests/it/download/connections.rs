//! Connections that are refused, stall, crawl, break, or lead to a server that is away.

use piton_remote::http::MinRate;
use piton_testkit::server::{Excess, Lease};

use super::*;

fn site(len: u64, rate: u64) -> Site {
    Site::new().with("/f", Resource::pattern(1, len).etag("\"a\"")).rate_per_connection(rate)
}

#[test]
fn two_connections_and_no_more() {
    for excess in [Excess::Unavailable, Excess::Reset, Excess::Hang] {
        let desk = Desk::new(site(16 * MIB, 8 * MIB).max_connections(2, excess));
        let mut what = desk.over(8, "/f");
        what.retries = 3;
        what.stall_timeout = Duration::from_secs(1);
        let outcome = desk.get(what).unwrap_or_else(|error| panic!("{excess:?}: {error}"));
        assert_eq!(outcome.size, 16 * MIB);
        desk.assert_only("f", 1, 16 * MIB);
        let stats = desk.server.stats();
        assert_eq!(stats.peak, 2, "{excess:?}");
        assert!(stats.connections < 40, "{excess:?}: {}", stats.connections);
        if excess != Excess::Hang {
            assert!(
                desk.saw(|event| matches!(event, Event::FewerConnections { limit } if *limit <= 2))
            );
        }
    }
}

#[test]
fn one_connection_stalls() {
    let desk = Desk::new(site(24 * MIB, 8 * MIB).fault(Fault::stall_after(MIB).connections(2..=2)));
    let mut what = desk.over(4, "/f");
    what.stall_timeout = Duration::from_secs(30);
    let outcome = desk.get(what).unwrap();
    desk.assert_only("f", 1, 24 * MIB);
    assert!(outcome.took < Duration::from_secs(20), "{:?}", outcome.took);
}

#[test]
fn one_connection_crawls() {
    let desk = Desk::new(site(24 * MIB, 8 * MIB).fault(Fault::crawl(KIB).connections(2..=2)));
    let outcome = desk.get(desk.over(4, "/f")).unwrap();
    desk.assert_only("f", 1, 24 * MIB);
    assert!(outcome.fetched < 30 * MIB, "{}", outcome.fetched);
}

#[test]
fn the_first_connection_stalls() {
    for first in [Connections::Auto, connections(1), connections(4)] {
        let desk =
            Desk::new(site(4 * MIB, 8 * MIB).fault(Fault::stall_after(300_000).connections(1..=1)));
        let mut what = desk.what("/f");
        what.connections = first;
        what.stall_timeout = Duration::from_secs(1);
        desk.get(what).unwrap();
        desk.assert_only("f", 1, 4 * MIB);
    }
}

#[test]
fn the_first_connection_is_never_answered() {
    let desk = Desk::new(site(2 * MIB, 8 * MIB).fault(Fault::hang().connections(1..=1)));
    let mut what = desk.what("/f");
    what.stall_timeout = Duration::from_secs(1);
    desk.get(what).unwrap();
    desk.assert_only("f", 1, 2 * MIB);
}

#[test]
fn every_connection_stalls() {
    let desk = Desk::new(site(4 * MIB, 64 * MIB).fault(Fault::stall_after(0).ranged_past_start()));
    let mut what = desk.over(3, "/f");
    what.retries = 1;
    what.stall_timeout = Duration::from_millis(500);
    let stall = Fault::stall_after(0).when(|context| !context.request.headers.contains("range"));
    desk.server.add_fault(stall);
    desk.server.add_fault(Fault::short_range(MIB));
    let failure = desk.fail(what);
    assert!(matches!(failure, Failure::Stalled { .. }), "{failure:?}");
    assert_eq!(desk.files(), ["f.part", "f.piton"]);
    desk.server.clear_faults();
    assert!(desk.get(desk.what("/f")).unwrap().resumed >= MIB);
    desk.assert_only("f", 1, 4 * MIB);
}

/// What it sends would renew the retries for as long as it likes.
#[test]
fn a_byte_now_and_then_is_no_progress() {
    let desk = Desk::new(site(4 * MIB, 64 * MIB).fault(Fault::crawl(50)));
    let mut what = desk.over(1, "/f");
    what.retries = 2;
    let mut config = Config::default();
    config.min_rate = Some(MinRate { bytes: 10_000, over: Duration::from_millis(200) });
    let client = Client::new(Remote::new(config).unwrap(), Arc::new(OsFs));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failure = runtime.block_on(async {
        let ended = client.download(what, Monitor::default(), Stop::new());
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .expect("it holds on")
            .unwrap_err()
    });
    let slow = |failure: &Failure| {
        matches!(failure, Failure::Remote { source: RemoteError::TooSlow { .. }, tries: 3 })
    };
    assert!(slow(&failure), "{failure:?}");
    assert_eq!(desk.files(), ["f.part", "f.piton"]);
}

/// Whoever waits for a silent server is not kept waiting by it.
#[test]
fn a_stop_while_nothing_is_answered() {
    let desk = Desk::new(site(4 * MIB, 64 * MIB).fault(Fault::hang().ranged_past_start()));
    let mut what = desk.over(3, "/f");
    what.stall_timeout = Duration::from_secs(50);
    let stop = Stop::new();
    let later = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        later.stop();
    });
    desk.server.add_fault(Fault::short_range(MIB));
    let begun = std::time::Instant::now();
    let failure = desk.get_until(what, stop).unwrap_err();
    assert!(matches!(failure, Failure::Stopped { have, .. } if have >= MIB), "{failure:?}");
    // A connection at work is given five seconds to save what it has.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn a_server_away_for_five_seconds() {
    away_for_five_seconds(1);
}

#[test]
fn a_server_away_for_five_seconds_from_sixteen() {
    away_for_five_seconds(16);
}

fn away_for_five_seconds(n: u16) {
    let fault = Fault::away_after(6 * MIB, Duration::from_secs(5));
    let desk = Desk::new(site(24 * MIB, 8 * MIB).fault(fault));
    let outcome = desk.get(desk.over(n, "/f"));
    let outcome = outcome.unwrap_or_else(|error| panic!("{n}: {error} {:?}", desk.events()));
    desk.assert_only("f", 1, 24 * MIB);
    assert!(outcome.fetched < 34 * MIB, "{n}: {}", outcome.fetched);
    // It was away; it does not mind many connections.
    let fewer = |event: &Event| matches!(event, Event::FewerConnections { limit } if *limit < 8);
    assert!(!desk.saw(fewer), "{:?}", desk.events());
}

#[test]
fn all_connections_break_at_once_again_and_again() {
    let desk = Desk::new(site(24 * MIB, 2 * MIB));
    let mut what = desk.over(16, "/f");
    what.retries = 3;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(250));
                desk.server.drop_connections();
            }
        });
        desk.get(what).unwrap();
    });
    desk.assert_only("f", 1, 24 * MIB);
}

#[test]
fn resets_each_700_kb_on_each_of_four() {
    let desk = Desk::new(site(12 * MIB, 32 * MIB).fault(Fault::reset_connection_after(700 * KIB)));
    let outcome = desk.get(desk.over(4, "/f")).unwrap();
    desk.assert_only("f", 1, 12 * MIB);
    assert!(outcome.fetched < 20 * MIB, "{}", outcome.fetched);
}

#[test]
fn connections_that_break_before_the_answer() {
    for fault in [Fault::resets_unanswered(), Fault::closes_unanswered()] {
        let desk = Desk::new(site(8 * MIB, 32 * MIB).fault(fault.clone().first(2)));
        desk.get(desk.over(3, "/f")).unwrap();
        desk.assert_only("f", 1, 8 * MIB);

        let desk = Desk::new(site(8 * MIB, 32 * MIB).fault(fault));
        let mut what = desk.what("/f");
        what.retries = 2;
        let failure = desk.fail(what);
        assert!(matches!(failure, Failure::Remote { tries: 3, .. }), "{failure:?}");
        assert_eq!(desk.requests(), 3);
    }
}

#[test]
fn connections_that_are_closed_after_each_answer() {
    for fault in [Fault::closes_silently(), Fault::closes_connection(), Fault::http_1_0()] {
        let desk = Desk::new(site(8 * MIB, 64 * MIB).fault(fault.and(Fault::short_range(MIB))));
        let mut what = desk.over(2, "/f");
        what.retries = 0;
        desk.get(what).unwrap();
        desk.assert_only("f", 1, 8 * MIB);
    }
}

/// The overlap that a resume begins with is compared in the first answer: that may break like any
/// other.
#[test]
fn the_first_answer_of_a_resume_breaks() {
    for fault in [Fault::reset_after(100), Fault::cut_after(5000), Fault::stall_after(5000)] {
        let desk = Desk::new(site(3 * MIB, 8 * MIB));
        desk.kill_at(desk.what("/f"), 2 * MIB);
        desk.server.add_fault(fault.nth(1));
        let mut what = desk.what("/f");
        what.stall_timeout = Duration::from_secs(1);
        let outcome = desk.get(what).unwrap();
        assert!(outcome.resumed > MIB, "{outcome:?}");
        desk.assert_only("f", 1, 3 * MIB);
    }
}

#[test]
fn signed_links_that_die() {
    for lease in [Lease::Requests(3), Lease::Requests(1), Lease::Time(Duration::from_millis(400))] {
        let site = Site::new()
            .with_signed("/f", Resource::pattern(1, 24 * MIB).etag("\"a\""), lease)
            .rate_per_connection(8 * MIB)
            .fault(Fault::cut_after(2 * MIB).on("/signed/f"));
        let desk = Desk::new(site);
        let outcome = desk.get(desk.over(4, "/f"));
        let outcome =
            outcome.unwrap_or_else(|error| panic!("{lease:?}: {error} {:?}", desk.events()));
        desk.assert_only("f", 1, 24 * MIB);
        assert!(outcome.fetched < 34 * MIB, "{}", outcome.fetched);
        let fewer = |event: &Event| matches!(event, Event::FewerConnections { .. });
        assert!(!desk.saw(fewer), "{lease:?}: {:?}", desk.events());
    }
}

/// Once for all connections, not once for each.
#[test]
fn a_dead_link_is_resolved_once_for_all_connections() {
    let site = Site::new()
        .with_signed("/f", Resource::pattern(1, 64 * MIB).etag("\"a\""), Lease::Requests(8))
        .rate_per_connection(16 * MIB)
        .fault(Fault::cut_after(3 * MIB).on("/signed/f"));
    let desk = Desk::new(site);
    desk.get(desk.over(8, "/f")).unwrap();
    desk.assert_only("f", 1, 64 * MIB);
    let stats = desk.server.stats();
    let resolved = stats.requests_for("/f").count();
    let served = stats.requests_for("/signed/f").filter(|request| request.status == 206).count();
    assert!(resolved <= served / 8 + 3, "{resolved} links for {served} answers");
}

/// Behind a signed link that died is another file now.
#[test]
fn a_link_resolved_again_that_leads_to_another_version() {
    let old = Resource::pattern(1, 8 * MIB).etag("\"a\"");
    let new = Resource::pattern(2, 8 * MIB).etag("\"b\"");
    let site = Site::new()
        .with_signed("/f", old, Lease::Requests(2))
        .rate_per_connection(16 * MIB)
        .fault(Fault::cut_after(MIB).on("/signed/f"))
        .fault(Fault::replaces_after(3 * MIB, "/f", new));
    let desk = Desk::new(site);
    desk.get(desk.over(2, "/f")).unwrap();
    desk.assert_only("f", 2, 8 * MIB);
    assert!(desk.saw(|event| matches!(event, Event::StartedOver { .. })));
}
