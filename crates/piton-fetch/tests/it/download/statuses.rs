//! Statuses: which are borne, for how long, and how patience is asked for.

use std::time::{Instant, SystemTime};

use piton_testkit::server::{Reply, RetryAfter};

use super::*;

fn file() -> Resource {
    Resource::pattern(1, 2 * MIB).etag("\"a\"")
}

#[test]
fn a_definite_no_is_asked_once() {
    for (status, requests) in [
        (401, 1),
        (404, 1),
        (410, 1),
        (414, 1),
        (451, 1),
        (505, 1),
        // Once more without a range, which may be what it minds.
        (400, 2),
        (403, 2),
        (405, 2),
        (406, 2),
        (501, 2),
    ] {
        let desk = Desk::with(file(), Fault::status(status));
        let failure = desk.fail(desk.over(3, "/f"));
        let same =
            matches!(&failure, Failure::Refused { refusal, .. } if refusal.code == Some(status));
        assert!(same, "{failure:?}");
        assert_eq!((desk.requests(), desk.files()), (requests, vec![]), "{status}");
    }
}

/// Whoever refuses every range is asked without, and from then on at once.
#[test]
fn a_range_that_is_refused_is_done_without() {
    for status in [403, 400, 416, 501] {
        let refused =
            Fault::status(status).when(|context| context.request.headers.contains("range"));
        let desk = Desk::with(file(), refused);
        let mut what = desk.over(4, "/f");
        what.retries = 1;
        let outcome = desk.get(what);
        let asked: Vec<_> = desk.server.stats().requests.iter().map(|r| r.range.clone()).collect();
        outcome.unwrap_or_else(|error| panic!("{status}: {error} {asked:?}"));
        desk.assert_only("f", 1, 2 * MIB);
        assert_eq!(desk.requests(), 2, "{status}");
    }
}

#[test]
fn what_may_pass_is_asked_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let desk = Desk::with(file(), Fault::status(status).first(2));
        desk.get(desk.what("/f")).unwrap();
        desk.assert_only("f", 1, 2 * MIB);
        assert_eq!(desk.requests(), 3, "{status}");
    }
}

#[test]
fn and_not_for_ever() {
    for status in [429, 500, 503] {
        let desk = Desk::with(file(), Fault::status(status));
        let mut what = desk.over(4, "/f");
        what.retries = 2;
        let failure = desk.fail(what);
        let same = matches!(&failure, Failure::Refused { refusal, tries: 3 } if refusal.code == Some(status));
        assert!(same && failure.may_be_retried(), "{failure:?}");
        assert_eq!(desk.requests(), 3);
    }
}

#[test]
fn patience_in_both_forms() {
    for (status, patience) in
        [(429, RetryAfter::Seconds(1)), (503, RetryAfter::Date(Duration::from_secs(2)))]
    {
        let desk = Desk::with(file(), Fault::status_retry_after(status, patience).nth(1));
        let begun = Instant::now();
        desk.get(desk.what("/f")).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
        desk.assert_only("f", 1, 2 * MIB);
        assert_eq!(desk.requests(), 2);
    }
}

#[test]
fn more_patience_than_there_is_ends_with_what_was_asked_for() {
    let desk = Desk::with(file(), Fault::status_retry_after(503, RetryAfter::Seconds(90)));
    let mut what = desk.what("/f");
    what.longest_pause = Duration::from_secs(1);
    let failure = desk.fail(what);
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(90)), "{failure:?}");
    assert!(failure.may_be_retried());
    assert_eq!(desk.requests(), 1);
    // With a mirror that wants the same, each is asked once.
    let mut what = desk.what("/f");
    what.longest_pause = Duration::from_secs(1);
    let url = desk.server.url_at("localhost", "/f").parse().unwrap();
    what.mirrors.push(piton_fetch::Mirror { url, priority: 1 });
    assert_eq!(desk.fail(what).retry_after(), Some(Duration::from_secs(90)));
    assert_eq!(desk.requests(), 3);
}

#[test]
fn patience_that_makes_no_sense_is_left_out() {
    for text in ["-5", "soon", "", "99999999999999999999", "Sun, 99 Foo 2026 00:00:00 GMT"] {
        let fault = Fault::status_retry_after(503, RetryAfter::Text(text.to_owned()));
        let desk = Desk::with(file(), fault);
        let mut what = desk.what("/f");
        what.retries = 1;
        let pause = |event: &Event| match event {
            Event::Retrying { pause, .. } => *pause,
            _ => Duration::ZERO,
        };
        let stop = Stop::new();
        let end = stop.clone();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let later = std::thread::spawn(move || {
            // What is asked for may also be obeyed, as far as it is a number; then this ends it.
            let _ = wait.recv_timeout(Duration::from_secs(3));
            end.stop();
        });
        desk.get_until(what, stop).unwrap_err();
        drop(done);
        later.join().unwrap();
        let longest = desk.events().iter().map(pause).max().unwrap();
        assert!(longest <= Duration::from_secs(6 * 3600), "{text:?}: {longest:?}");
        if !text.starts_with('9') {
            assert!(longest < Duration::from_secs(1), "{text:?}: {longest:?}");
        }
    }
}

/// In the middle of a transfer, while other connections run.
#[test]
fn patience_is_asked_for_in_the_middle() {
    let fault = Fault::status_retry_after(503, RetryAfter::Seconds(1)).ranged_past_start().first(2);
    let site = Site::new()
        .with("/f", Resource::pattern(1, 12 * MIB).etag("\"a\""))
        .rate_per_connection(4 * MIB)
        .fault(fault);
    let desk = Desk::new(site);
    desk.get(desk.over(3, "/f")).unwrap();
    desk.assert_only("f", 1, 12 * MIB);
    let stats = desk.server.stats();
    let refused: Vec<_> = stats.requests.iter().filter(|request| request.status == 503).collect();
    let first = refused.iter().map(|request| request.at).min().unwrap();
    let asked_meanwhile = stats.requests.iter().filter(|request| {
        request.at > first + Duration::from_millis(300)
            && request.at < first + Duration::from_millis(900)
            && request.status != 206
    });
    assert_eq!(asked_meanwhile.count(), 0, "{:?}", stats.requests);
}

#[test]
fn statuses_that_answer_nothing() {
    for (status, exact) in [(204, true), (205, true), (304, true), (226, false)] {
        let desk = Desk::with(file(), Fault::status(status));
        let mut what = desk.what("/f");
        what.retries = 1;
        let failure = desk.fail(what);
        assert!(is_protocol(&failure) || !exact, "{status}: {failure:?}");
        assert!(desk.requests() <= 6, "{status}: {}", desk.requests());
    }
}

/// What some servers say in place of 200, with the file.
#[test]
fn other_statuses_that_bring_the_file() {
    for ranged in [true, false] {
        let as_203 = Fault::in_reply(|reply, _| {
            if reply.status == 200 {
                reply.status = 203;
            }
        });
        let fault = if ranged { as_203 } else { as_203.and(Fault::ignores_range()) };
        let desk = Desk::with(file(), fault);
        desk.get(desk.over(1, "/f")).unwrap();
        desk.assert_only("f", 1, 2 * MIB);
    }
    // 206 with the whole, although no range was asked for.
    let whole = Fault::in_reply(|reply, _| {
        if reply.status == 200 {
            reply.status = 206;
            let size = 2 * MIB;
            reply.headers.set("Content-Range", &format!("bytes 0-{}/{size}", size - 1));
        }
    });
    let desk = Desk::with(file(), whole.and(Fault::ignores_range()));
    desk.get(desk.over(1, "/f")).unwrap();
    desk.assert_only("f", 1, 2 * MIB);
}

#[test]
fn what_is_being_made_is_asked_for_again() {
    let desk = Desk::with(file(), Fault::status(202).first(2));
    desk.get(desk.over(1, "/f")).unwrap();
    desk.assert_only("f", 1, 2 * MIB);
    assert!(desk.server.stats().requests.len() >= 3);
}

/// A server that asks for no pause at all gets one that grows.
#[test]
fn a_pause_of_nothing_is_not_believed() {
    let zero = RetryAfter::Seconds(0);
    let desk = Desk::with(file(), Fault::status_retry_after(503, zero).first(4));
    let begun = std::time::Instant::now();
    desk.get(desk.over(1, "/f")).unwrap();
    // Half of 0.1, 0.2, 0.4 and 0.8 seconds at the least.
    assert!(begun.elapsed() >= Duration::from_millis(740), "{:?}", begun.elapsed());
}

#[test]
fn a_part_that_nobody_asked_for() {
    let head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\n\
        Content-Length: 5\r\n\r\nhello";
    let without_range = Fault::raw(head).when(|context| !context.request.headers.contains("range"));
    let desk = Desk::with(file(), Fault::no_content_range().ranged());
    desk.server.add_fault(without_range);
    assert!(is_protocol(&desk.fail(desk.what("/f"))));
}

#[test]
fn redirects_in_a_circle_and_to_nowhere() {
    for fault in [
        Fault::redirect(302, "/f"),
        Fault::redirect(307, "http://127.0.0.1:{port}/f"),
        Fault::redirect(301, "ftp://127.0.0.1/f"),
        Fault::redirect(302, "http://"),
        Fault::redirect(302, "file:///etc/passwd"),
        Fault::status(302),
    ] {
        let desk = Desk::with(file(), fault);
        let failure = desk.fail(desk.what("/f"));
        let said = matches!(
            failure,
            Failure::Remote {
                source: RemoteError::TooManyRedirects { .. }
                    | RemoteError::BadRedirect { .. }
                    | RemoteError::UnsupportedScheme { .. }
                    | RemoteError::BadUrl { .. },
                ..
            }
        );
        assert!(said, "{failure:?}");
        assert!(desk.requests() <= 22, "{}", desk.requests());
    }
}

/// Bytes that belong to no answer are the fault of one connection.
#[test]
fn one_answer_of_garbage() {
    const LEN: u64 = 12 * MIB;
    for (n, turn) in [(1, 1), (1, 2), (4, 1), (4, 3)] {
        let garbage = Fault::raw(b"\0\x01garbage").turns(turn..=turn);
        let site = Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\""));
        let cut = Fault::cut_connection_after(LEN / 8).first(1);
        let desk = Desk::new(site.fault(cut).fault(garbage).rate_per_connection(16 * MIB));
        let outcome = desk.get(desk.over(n, "/f"));
        assert!(outcome.is_ok(), "{n} {turn}: {outcome:?} {:?}", desk.events());
        desk.assert_only("f", 1, LEN);
    }
}

/// Bad answers between good ones, more than a node's: what came in ranges is kept, also if they are too many in a row.
#[test]
fn bad_answers_do_not_cost_what_is_here() {
    const LEN: u64 = 8 * MIB;
    let cut = || Fault::cut_connection_after(MIB);
    let bad = || Fault::status(204);
    let file = || Site::new().with("/f", Resource::pattern(1, LEN));
    let site = file().fault(cut()).fault(bad().turns(2..=2)).fault(bad().turns(4..=4));
    let site = site.fault(bad().turns(6..=6)).fault(bad().turns(8..=8));
    let desk = Desk::new(site);
    let outcome = desk.get(desk.over(1, "/f"));
    assert!(outcome.is_ok(), "{outcome:?} {:?}", desk.events());
    desk.assert_only("f", 1, LEN);
    assert!(desk.server.stats().sent() < LEN + MIB, "{}", desk.server.stats().sent());

    let desk = Desk::new(file().fault(cut()).fault(bad().turns(4..)));
    let failure = desk.fail(desk.over(1, "/f"));
    assert!(is_protocol(&failure), "{failure:?}");
    let here = desk.claimed();
    assert!(here > 2 * MIB, "{here}");
}

/// The file shrinks, and the server does not say its new length with its refusals of ranges.
#[test]
fn a_file_that_shrinks_under_ranges() {
    let file = |seed, len| Resource::pattern(seed, len).last_modified(SystemTime::UNIX_EPOCH);
    let site = Site::new().with("/f", file(1, 12 * MIB)).rate_per_connection(4 * MIB);
    let breaks = Fault::cut_connection_after(2 * MIB).first(2);
    let shrinks = Fault::replaces("/f", file(2, MIB)).turns(3..=3);
    let silent = Fault::in_reply(|reply, _| {
        if reply.status == 416 {
            *reply = Reply::text(416, "no");
        }
    });
    let desk = Desk::new(site.fault(breaks).fault(shrinks).fault(silent));
    let outcome = desk.get(desk.over(2, "/f"));
    assert!(outcome.is_ok(), "{outcome:?} {:?}", desk.events());
    desk.assert_only("f", 2, MIB);
}

/// Ranges came, each broken off, before some that are no ranges.
#[test]
fn ranges_that_broke_off_are_kept() {
    const LEN: u64 = 12 * MIB;
    let no_range = Fault::without_header("Content-Range").turns(4..=6);
    let site = Site::new().with("/f", Resource::pattern(1, LEN));
    let desk = Desk::new(site.fault(Fault::cut_connection_after(2 * MIB)).fault(no_range));
    let failure = desk.fail(desk.over(1, "/f"));
    assert!(is_protocol(&failure), "{failure:?}");
    let (here, sent) = (desk.claimed(), desk.server.stats().sent());
    desk.get(desk.over(1, "/f")).unwrap();
    desk.assert_only("f", 1, LEN);
    let rest = desk.server.stats().sent() - sent;
    assert!(here > 5 * MIB && rest < LEN - here + MIB, "{here} {rest}");
}

/// The URL leads somewhere once, and then refuses; where it led to is busy for a moment.
#[test]
fn a_redirect_that_works_once() {
    const LEN: u64 = 12 * MIB;
    let file = || Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\""));
    let busy = Fault::status(503).turns(2..=2);
    let node =
        Server::start(file().fault(Fault::cut_connection_after(LEN / 3).first(1)).fault(busy));
    let to_node = Fault::redirect(302, &node.url("/f")).first(1);
    let desk = Desk::new(file().fault(to_node).fault(Fault::status(403).turns(2..)));
    let outcome = desk.get(desk.over(1, "/f"));
    assert!(outcome.is_ok(), "{outcome:?} {:?}", desk.events());
    desk.assert_only("f", 1, LEN);
}

/// Where the first redirect led to fails for good after some bytes, in any way: the URL leads elsewhere by then.
#[test]
fn redirects_whose_target_fails_later() {
    const LEN: u64 = 12 * MIB;
    let ways = [
        || Fault::status(400),
        || Fault::status(403),
        || Fault::status(451),
        || Fault::status(503),
        Fault::resets_unanswered,
        Fault::closes_unanswered,
        || Fault::redirect(302, "/f"),
        || Fault::redirect(302, "ftp://a.test/f"),
        || Fault::raw(b"\0\x01garbage"),
    ];
    each(ways.into_iter().flat_map(|fault| [(fault, 1), (fault, 4)]), |(fault, n)| {
        let file = || Site::new().with("/f", Resource::pattern(1, LEN).etag("\"a\""));
        let cut = Fault::cut_connection_after(LEN / 3).first(1);
        let node = Server::start(file().fault(cut).fault(fault().turns(2..)));
        let other = Server::start(file());
        let to = |server: &Server| Fault::redirect(302, &server.url("/f"));
        let desk = Desk::new(file().fault(to(&node).first(1)).fault(to(&other).turns(2..)));
        let mut what = desk.over(n, "/f");
        what.retries = 2;
        let outcome = desk.get(what);
        assert!(outcome.is_ok(), "{:?} {n}: {outcome:?} {:?}", fault(), desk.events());
        desk.assert_only("f", 1, LEN);
        let sent = (node.stats().sent(), other.stats().sent());
        assert!(sent.0 >= LEN / 3 && sent.1 > 0, "{:?} {n}: {sent:?}", fault());
    });
}

#[test]
fn redirects_that_lead_there() {
    for status in [301, 302, 303, 307, 308] {
        let site = Site::new()
            .with("/deep/name.bin", file())
            .fault(Fault::redirect(status, "/b").on("/a"))
            .fault(Fault::redirect(status, "/deep/name.bin").on("/b"));
        let desk = Desk::new(site);
        desk.get(desk.over(3, "/a")).unwrap();
        desk.assert_only("name.bin", 1, 2 * MIB);
        // What they lead to is asked directly from then on.
        assert_eq!(desk.server.stats().requests_for("/a").count(), 1);
    }
}

/// A page of a portal or of a load balancer, with status 200, where a range was asked for.
#[test]
fn an_error_page_in_the_middle_never_lands_in_the_file() {
    let page = || Fault::error_page("<html>our servers are busy</html>").ranged_past_start();
    for fault in [page().nth(1), page().nth(2), page().first(3)] {
        let site = Site::new()
            .with("/f", Resource::pattern(1, 12 * MIB).etag("\"a\""))
            .rate_per_connection(16 * MIB)
            .fault(fault);
        let desk = Desk::new(site);
        desk.get(desk.over(3, "/f")).unwrap();
        desk.assert_only("f", 1, 12 * MIB);
        // What had come in is not thrown away for it.
        assert!(
            !desk.saw(|event| matches!(event, Event::StartedOver { .. })),
            "{:?}",
            desk.events()
        );
    }
}

/// The same at the first question of a resume.
#[test]
fn an_error_page_does_not_replace_what_is_here() {
    for always in [false, true] {
        let site =
            Site::new().with("/f", file().last_modified_text("then")).rate_per_connection(4 * MIB);
        let desk = Desk::new(site);
        desk.kill_at(desk.what("/f"), MIB);
        let page = Fault::error_page("<html>log in to this network</html>");
        desk.server.add_fault(if always { page } else { page.nth(1) });
        let mut what = desk.what("/f");
        what.retries = 2;
        if always {
            let failure = desk.fail(what);
            assert!(matches!(failure, Failure::NotTheFile { .. }), "{failure:?}");
            desk.server.clear_faults();
            assert!(desk.get(desk.what("/f")).unwrap().resumed > 256 * KIB);
        } else {
            assert!(desk.get(what).unwrap().resumed > 256 * KIB);
        }
        desk.assert_only("f", 1, 2 * MIB);
    }
}
