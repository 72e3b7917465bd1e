//! Answers that are a page instead of the file, and validators that say nothing.

use std::sync::atomic::AtomicU64;

use piton_fetch::{IfExists, NotTheFile};

use super::*;

const LEN: u64 = 8 * MIB;

fn zip() -> Resource {
    Resource::pattern(1, LEN).content_type("application/zip")
}

fn login() -> Resource {
    Resource::bytes(&b"<html>Sign in</html>"[..]).content_type("text/html; charset=utf-8")
}

/// From the n-th request for the file on, the server leads to its login page.
fn expires_after(requests: u64) -> Fault {
    Fault::redirect(302, "/login").on("/f.zip").turns(requests + 1..)
}

fn is_login(failure: &Failure) -> bool {
    let Failure::NotTheFile { url, media_type, why: NotTheFile::Displaces } = failure else {
        return false;
    };
    url.ends_with("/login") && &**media_type == "text/html"
}

#[test]
fn a_login_page_does_not_displace_what_is_here() {
    // With validators and without; known by a run before, and on the way.
    for resource in
        [zip(), zip().etag("\"a\""), zip().last_modified_text("Tue, 01 Dec 2026 00:00:00 GMT")]
    {
        let desk = Desk::new(Site::new().with("/f.zip", resource).with("/login", login()));
        desk.kill_at(desk.over(1, "/f.zip"), 5 * MIB);
        let have = desk.claimed();
        assert!(have >= 4 * MIB, "{have}");
        desk.server.add_fault(expires_after(0));
        let failure = desk.fail(desk.over(1, "/f.zip"));
        assert!(is_login(&failure), "{failure:?}");
        assert_eq!(
            (desk.files(), desk.claimed()),
            (vec!["f.zip.part".into(), "f.zip.piton".into()], have)
        );
        // Signed in again, it is resumed.
        desk.server.clear_faults();
        let outcome = desk.get(desk.over(1, "/f.zip")).unwrap();
        assert!(outcome.fetched < LEN - 3 * MIB, "{outcome:?}");
        desk.assert_only("f.zip", 1, LEN);
    }
}

#[test]
fn nor_does_it_when_the_session_ends_on_the_way() {
    for n in [1, 3] {
        let site = Site::new().with("/f.zip", zip()).with("/login", login()).rate_total(16 * MIB);
        let desk = Desk::new(site.fault(Fault::cut_after(3 * MIB)).fault(expires_after(1)));
        let failure = desk.fail(desk.over(n, "/f.zip"));
        assert!(is_login(&failure), "{n}: {failure:?} {:?}", desk.events());
        assert!(desk.claimed() > MIB, "{n}");
        desk.server.clear_faults();
        let outcome = desk.get(desk.over(n, "/f.zip")).unwrap();
        assert!(outcome.resumed > MIB, "{n}: {outcome:?}");
        desk.assert_only("f.zip", 1, LEN);
    }
}

#[test]
fn a_first_answer_that_is_plainly_something_else() {
    let desk = Desk::new(Site::new().with("/f.zip", login()).with("/page.html", login()));
    let odd = |event: &Event| matches!(event, Event::OddType { media_type, .. } if media_type == "text/html");
    desk.get(desk.what("/f.zip")).unwrap();
    assert!(desk.saw(odd));
    assert_eq!(desk.read("f.zip"), b"<html>Sign in</html>");
    // Expected, it is a failure; and it replaces no file, unless that is what is expected.
    let mut what = desk.what("/f.zip");
    what.if_exists = IfExists::Overwrite;
    let failure = desk.get(what.clone()).unwrap_err();
    assert!(
        matches!(failure, Failure::NotTheFile { why: NotTheFile::Replaces, .. }),
        "{failure:?}"
    );
    what.expect_types = vec!["application/zip".into(), "image/*".into()];
    let failure = desk.get(what.clone()).unwrap_err();
    let unexpected = matches!(failure, Failure::NotTheFile { why: NotTheFile::Unexpected(_), .. });
    assert!(unexpected, "{failure:?}");
    assert_eq!(desk.files(), ["f.zip"]);
    what.expect_types = vec!["text/*".into()];
    desk.get(what).unwrap();

    let desk = Desk::new(Site::new().with("/f.html", login()));
    desk.get(desk.what("/f.html")).unwrap();
    assert!(!desk.saw(odd));
}

/// A tag, or a time, that is another one with each answer.
fn changing(tag: bool) -> Fault {
    let answers = AtomicU64::new(0);
    Fault::in_resource(move |resource, _| {
        let number = answers.fetch_add(1, Ordering::Relaxed);
        if tag {
            resource.etag = Some(format!("\"{number}\""));
        } else {
            resource.last_modified =
                Some(format!("Tue, 01 Dec 2026 00:{:02}:{:02} GMT", number / 60, number % 60));
        }
    })
}

#[test]
fn validators_that_change_with_each_answer_cost_connections_and_no_file() {
    for tag in [true, false] {
        for connections in [Connections::Auto, connections(1), connections(4)] {
            let site = Site::new().with("/f.zip", zip()).rate_per_connection(16 * MIB);
            let desk = Desk::new(site.fault(changing(tag)));
            let mut what = desk.what("/f.zip");
            what.connections = connections;
            let outcome = desk.get(what);
            outcome.unwrap_or_else(|error| {
                panic!("{tag} {connections:?}: {error} {:?}", desk.events())
            });
            desk.assert_only("f.zip", 1, LEN);
        }
    }
}
