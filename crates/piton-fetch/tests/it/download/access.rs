//! Logins and cookies over a whole download, and across a kill.

use piton_testkit::server::Lease;

use super::*;

const LEN: u64 = 6 * MIB;

fn site() -> Site {
    Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\"")).rate_total(16 * MIB)
}

fn with_login(mut what: Download) -> Download {
    what.url.set_username("me").unwrap();
    what.url.set_password(Some("a-secret")).unwrap();
    what
}

#[test]
fn a_login_in_the_address_is_used_by_all_connections_and_written_nowhere() {
    let desk = Desk::new(site().fault(Fault::requires_basic("me", "a-secret")));
    desk.kill_at(with_login(desk.over(3, "/f")), LEN / 2);
    for name in desk.files() {
        let bytes = desk.read(&name);
        let found = bytes.windows(8).any(|window| window == b"a-secret" || window == b"YS1zZWNy");
        assert!(!found, "the password is in {name}");
    }
    // Without it the part is kept for the call that has it again.
    let failure = desk.fail(desk.over(2, "/f"));
    assert!(matches!(&failure, Failure::Refused { refusal, .. } if refusal.code == Some(401)));
    assert!(!format!("{failure} {:?}", desk.events()).contains("a-secret"));
    let outcome = desk.get(with_login(desk.over(2, "/f"))).unwrap();
    assert!(outcome.resumed >= LEN / 2, "{outcome:?}");
    desk.assert_only("f", 1, LEN);
}

/// Links to another host, given out only for a login: that stays behind, also when the link dies
/// and is resolved again.
#[test]
fn a_login_for_the_address_and_none_for_where_it_leads() {
    let resource = Resource::pattern(1, LEN).etag("\"a\"");
    let site = Site::new()
        .with_signed_at("http://localhost:{port}", "/f", resource, Lease::Requests(3))
        .rate_total(16 * MIB)
        .fault(Fault::requires_basic("me", "a-secret").on("/f"))
        .fault(Fault::cut_after(MIB).on("/signed/f"));
    let desk = Desk::new(site);
    desk.get(with_login(desk.over(3, "/f"))).unwrap();
    desk.assert_only("f", 1, LEN);
    let stats = desk.server.stats();
    assert!(stats.requests_for("/f").count() > 1);
    for request in &stats.requests {
        let given = request.headers.contains("authorization");
        assert_eq!(given, request.path == "/f", "{request:?}");
    }
}

#[test]
fn a_cookie_set_on_the_way_is_sent_with_every_range() {
    let site = site()
        .fault(Fault::redirect(302, "/f").and(Fault::set_cookie("pass=7; Path=/")).on("/gate"))
        .fault(Fault::requires_cookie("pass", "7").on("/f"));
    let desk = Desk::new(site);
    let mut what = desk.over(3, "/gate");
    what.place = Place::File(desk.path("f"));
    desk.get(what).unwrap();
    desk.assert_only("f", 1, LEN);
}

#[test]
fn a_login_that_is_taken_back_in_the_middle_keeps_what_is_here() {
    let expires = Fault::status(403).ranged_past_start().turns(3..);
    let desk = Desk::new(site().fault(expires).fault(Fault::cut_after(MIB)));
    let failure = desk.fail(desk.over(1, "/f"));
    assert!(matches!(&failure, Failure::Refused { refusal, .. } if refusal.code == Some(403)));
    desk.server.clear_faults();
    assert!(desk.get(desk.over(4, "/f")).unwrap().resumed >= 2 * MIB);
    desk.assert_only("f", 1, LEN);
}
