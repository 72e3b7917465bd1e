//! Several addresses of one file: shared work, and nothing of a mirror that has another file (G4).

use piton_durable::crc::crc32c;
use piton_durable::fs::OsFs;
use piton_durable::part::{Durability, Extent, OpenPart, Opened, Part, Target};
use piton_fetch::Mirror;
use piton_fetch::digest::Digest;
use piton_remote::Extra;
use piton_testkit::server::{Body, DigestField, Excess, Lease, RetryAfter, Stats};

use super::*;

const LEN: u64 = 12 * MIB;

/// A desk whose server is the first address, and further servers.
pub(super) struct Mirrors {
    pub(super) desk: Desk,
    pub(super) others: Vec<Server>,
}

impl Mirrors {
    pub(super) fn new(first: Site, others: impl IntoIterator<Item = Site>) -> Self {
        let others = others.into_iter().map(Server::start).collect();
        Self { desk: Desk::new(first), others }
    }

    /// All addresses, over so many connections, side by side: with a digest that judges the result.
    pub(super) fn what(&self, n: u16) -> Download {
        let mut what = self.unjudged(n);
        what.digests = vec![right()];
        what
    }

    /// All addresses, one after the other: nothing judges the result.
    pub(super) fn unjudged(&self, n: u16) -> Download {
        let mut what = self.desk.over(n, "/f");
        what.mirrors = self.others.iter().map(|server| mirror(server, "/f")).collect();
        what
    }

    fn get(&self, n: u16) -> Outcome {
        let outcome = self.desk.get(self.what(n));
        outcome.unwrap_or_else(|error| panic!("{error} {:?}", self.desk.events()))
    }

    /// Body bytes that each server handed out.
    pub(super) fn sent(&self) -> Vec<u64> {
        let servers = std::iter::once(&self.desk.server).chain(&self.others);
        servers.map(|server| server.stats().sent()).collect()
    }

    /// Why the address of this server was given up, if it was.
    pub(super) fn dropped(&self, server: &Server) -> Option<String> {
        self.desk.events().iter().find_map(|event| match event {
            Event::MirrorDropped { url, why } if *url == server.url("/f") => Some(why.clone()),
            _ => None,
        })
    }
}

/// The digest of the file.
pub(super) fn right() -> Digest {
    format!("sha256:{}", Resource::pattern(1, LEN).sha256()).parse().unwrap()
}

pub(super) fn mirror(server: &Server, path: &str) -> Mirror {
    Mirror { url: server.url(path).parse().unwrap(), priority: 1 }
}

/// The file under validators of its own, at a rate that leaves time for several connections.
pub(super) fn named(tag: &str) -> Site {
    of(named_file(tag))
}

fn named_file(tag: &str) -> Resource {
    Resource::pattern(1, LEN).etag(&format!("\"{tag}\""))
}

fn of(resource: Resource) -> Site {
    Site::new().with("/f", resource).rate_per_connection(8 * MIB)
}

/// Other bytes under the same length.
fn other_file() -> Site {
    of(Resource::pattern(2, LEN).etag("\"b\""))
}

#[test]
fn two_good_ones_share_the_work() {
    for others in [named("a"), named("b"), of(Resource::pattern(1, LEN))] {
        // Slow enough for the mirror to be compared while most of the work is left.
        let slow = |site: Site| site.rate_per_connection(2 * MIB);
        let all = Mirrors::new(slow(named("a")), [slow(others)]);
        let outcome = all.get(4);
        all.desk.assert_only("f", 1, LEN);
        let sent = all.sent();
        assert!(sent.iter().all(|sent| *sent > LEN / 8), "{sent:?} {:?}", all.desk.events());
        // What was read past the place where another connection took over is fetched twice.
        assert!(outcome.fetched < LEN + 4 * MIB, "{outcome:?}");
        assert!(!all.desk.saw(|event| matches!(event, Event::MirrorDropped { .. })));
    }
}

#[test]
fn a_mirror_is_used_only_as_far_as_connections_are() {
    let all = Mirrors::new(named("a"), [named("b"), named("c")]);
    all.get(1);
    assert_eq!(all.others.iter().map(|server| server.stats().requests.len()).sum::<usize>(), 0);
}

#[test]
fn they_are_taken_in_while_that_is_measured_to_help() {
    let slow = |tag: &str| Site::new().with("/f", named_file(tag)).rate_total(3 * MIB);
    let all = Mirrors::new(slow("a"), [slow("b")]);
    let mut what = all.what(1);
    what.connections = Connections::Auto;
    all.desk.get(what).unwrap();
    all.desk.assert_only("f", 1, LEN);
    assert!(all.sent().iter().all(|sent| *sent > LEN / 8), "{:?}", all.sent());
}

/// It answers, gives nothing, and then asks for patience: nobody waits for it.
#[test]
fn the_first_address_answers_and_then_wants_to_be_left_alone() {
    let patience = Fault::status_retry_after(503, RetryAfter::Seconds(3600)).turns(2..);
    let first = named("a").fault(Fault::cut_after(0).first(1)).fault(patience);
    let all = Mirrors::new(first, [named("b")]);
    all.get(3);
    all.desk.assert_only("f", 1, LEN);
}

#[test]
fn each_is_asked_with_its_own_validator() {
    let all = Mirrors::new(named("a"), [named("b")]);
    all.get(4);
    let conditions = |stats: Stats| -> Vec<String> {
        let fields = stats.requests.iter().filter_map(|r| r.headers.first("if-range"));
        let mut fields: Vec<_> = fields.map(str::to_owned).collect();
        fields.dedup();
        fields
    };
    assert_eq!(conditions(all.desk.server.stats()), ["\"a\""]);
    assert_eq!(conditions(all.others[0].stats()), ["\"b\""]);
}

#[test]
fn the_first_address_is_dead_and_a_mirror_carries_all() {
    for fault in [Fault::status(404), Fault::status(503), Fault::resets_unanswered(), Fault::hang()]
    {
        let all = Mirrors::new(named("a").fault(fault), [named("b")]);
        all.get(3);
        all.desk.assert_only("f", 1, LEN);
        assert_eq!(all.sent()[0].checked_div(KIB), Some(0));
    }
    let all = Mirrors::new(named("a").fault(Fault::status(404)), [named("b")]);
    all.get(1);
    assert_eq!(all.dropped(&all.desk.server).unwrap(), "127.0.0.1 answered 404 Not Found");
}

#[test]
fn a_mirror_is_dead_from_the_start() {
    for fault in [Fault::status(404), Fault::status(503), Fault::resets_unanswered(), Fault::hang()]
    {
        let all = Mirrors::new(named("a"), [named("b").fault(fault)]);
        all.get(3);
        all.desk.assert_only("f", 1, LEN);
    }
}

#[test]
fn one_dies_in_the_middle() {
    for first in [true, false] {
        let dies = |dies: bool, site: Site| match dies {
            true => site.fault(Fault::away_after(2 * MIB, Duration::from_secs(300))),
            false => site,
        };
        let all = Mirrors::new(dies(first, named("a")), [dies(!first, named("b"))]);
        all.get(4);
        all.desk.assert_only("f", 1, LEN);
    }
}

#[test]
fn all_are_dead_and_the_most_telling_reason_is_given() {
    let away = named("b").fault(Fault::resets_unanswered());
    let all = Mirrors::new(named("a").fault(Fault::status(404)), [away]);
    let mut what = all.what(2);
    what.retries = 1;
    let failure = all.desk.fail(what);
    assert!(matches!(&failure, Failure::Refused { refusal, .. } if refusal.code == Some(404)));
    assert!(all.dropped(&all.others[0]).is_some(), "{:?}", all.desk.events());
}

/// The only URL that has the file is busy: that a mirror has another one is no reason to give up for good.
#[test]
fn a_mirror_of_another_size_beside_a_busy_url() {
    let busy = named("a").fault(Fault::status(503));
    let small = Site::new().with("/f", Resource::pattern(1, 1000));
    let all = Mirrors::new(busy, [small]);
    let mut what = all.what(2);
    (what.size, what.retries) = (Some(LEN), 1);
    let failure = all.desk.fail(what);
    assert!(failure.may_be_retried(), "{failure:?}");
}

#[test]
fn one_of_another_size_is_dropped() {
    for len in [LEN - 1, LEN + 1] {
        let all = Mirrors::new(named("a"), [of(Resource::pattern(1, len).etag("\"a\""))]);
        all.get(4);
        all.desk.assert_only("f", 1, LEN);
        let why = all.dropped(&all.others[0]).unwrap();
        assert_eq!(why, format!("it has {len} bytes, and the file {LEN}"));
    }
}

#[test]
fn one_with_other_bytes_is_found_by_comparison() {
    let all = Mirrors::new(named("a"), [other_file(), named("c")]);
    all.get(6);
    all.desk.assert_only("f", 1, LEN);
    let why = all.dropped(&all.others[0]).unwrap();
    assert!(why.contains("its bytes differ at offset"), "{why}");
    assert_eq!(all.dropped(&all.others[1]), None);
}

/// Where a mirror differs only in places, it may show what is right and then give what is wrong: the
/// digest tells, and then each address has to give all of it alone.
#[test]
fn one_that_differs_in_its_later_part_is_found_by_the_digest() {
    let cases = [LEN / 8, LEN / 3, LEN / 2].into_iter().flat_map(|at| [2, 4, 7].map(|n| (at, n)));
    each(cases, |(at, n)| {
        let wrong = Body::Pattern { seed: 2, len: LEN };
        let all = Mirrors::new(
            named("a").fault(Fault::delay(Duration::from_millis(20))),
            [named("b").fault(Fault::overwritten_from(at, wrong))],
        );
        all.get(n);
        all.desk.assert_only("f", 1, LEN);
    });
}

#[test]
fn one_that_differs_at_the_very_end() {
    each([2, 4, 7], |n| {
        let wrong = Body::Pattern { seed: 2, len: LEN };
        let mirror = named("b").fault(Fault::overwritten_from(LEN - 4 * KIB, wrong));
        let all = Mirrors::new(named("a"), [mirror]);
        all.get(n);
        all.desk.assert_only("f", 1, LEN);
    });
}

/// Whatever ends a run in which two addresses gave bytes, the next one is not given the digest and has one
/// address alone, and no file with bytes of both gets its name.
#[test]
fn a_kill_while_bytes_of_two_are_here() {
    each([3, 4, 5, 8], |n| {
        let wrong = Body::Pattern { seed: 2, len: LEN };
        let mirror = named("b").fault(Fault::overwritten_from(LEN / 4, wrong));
        let all = Mirrors::new(named("a"), [mirror]);
        all.desk.kill_at(all.what(n), LEN / 2);
        let mut what = all.desk.over(1, "/f");
        what.retries = 2;
        all.desk.get(what).unwrap();
        all.desk.assert_only("f", 1, LEN);
    });
}

/// An earlier version of piton put bytes of two addresses together and left places to compare in its
/// journal. Nothing of that is used.
#[test]
fn a_part_with_places_that_were_to_be_compared() {
    let desk = Desk::new(named("a"));
    let identity = format!(r#"{{"size":{LEN},"etag":{{"tag":"a"}}}}"#);
    let url = desk.server.url("/f");
    let meta = format!(
        r#"{{"url":"{url}","identity":{identity},"begun":0,"ranges":true,"joints":[{},{}],
            "mirrors":[{{"url":"http://b.test/f","priority":1,"identity":{identity}}}]}}"#,
        4 * MIB,
        5 * MIB
    );
    put_part(&desk, &meta, &[(1, 0, 4 * MIB), (2, 4 * MIB, 5 * MIB), (1, 5 * MIB, LEN)]);
    desk.get(desk.what("/f")).unwrap();
    desk.assert_only("f", 1, LEN);
}

/// An earlier run left bytes of several, and none of them has what is here at the place where it is compared:
/// that is no reason to fail while there is a digest.
#[test]
fn what_no_address_has_is_fetched_again() {
    let all = Mirrors::new(named("a"), [named("b")]);
    let (a, b) = (all.desk.server.url("/f"), all.others[0].url("/f"));
    let meta = format!(
        r#"{{"url":"{a}","identity":{{"size":{LEN},"etag":{{"tag":"a"}}}},"begun":0,"ranges":true,
            "judged_by":"whole","mirrors":[{{"url":"{b}","priority":1,
            "identity":{{"size":{LEN},"etag":{{"tag":"b"}}}}}}]}}"#
    );
    put_part(&all.desk, &meta, &[(3, 0, 4 * MIB)]);
    all.get(3);
    all.desk.assert_only("f", 1, LEN);
    // With one of them away nothing is given up.
    let all = Mirrors::new(named("a"), [named("b").fault(Fault::resets_unanswered())]);
    put_part(&all.desk, &meta.replace(&a, &all.desk.server.url("/f")), &[(3, 0, 4 * MIB)]);
    let mut what = all.what(3);
    what.retries = 1;
    let failure = all.desk.fail(what);
    assert!(!matches!(failure, Failure::Changed { .. }), "{failure:?}");
    assert_eq!(all.desk.claimed(), 4 * MIB);
}

/// A part of the target `f` that claims bytes of these patterns at these places.
pub(super) fn put_part(desk: &Desk, meta: &str, runs: &[(u64, u64, u64)]) {
    let target = Target::new(desk.path("f"));
    let how = OpenPart { durability: Durability::Power, ..OpenPart::default() };
    let Opened::Part(part, _) = Part::open(Arc::new(OsFs), &target, how).unwrap() else {
        panic!("nothing is finished here")
    };
    part.begin(meta.as_bytes(), Some(LEN)).unwrap();
    for &(seed, start, end) in runs {
        let mut bytes = vec![0; (end - start) as usize];
        pattern::fill(seed, start, &mut bytes);
        part.write(&bytes, start).unwrap();
        part.claim(Extent { start, len: end - start, crc: crc32c(&bytes) }).unwrap();
    }
    part.checkpoint().unwrap();
}

#[test]
fn one_that_is_replaced_while_it_is_used() {
    let new = Resource::pattern(2, LEN).etag("\"c\"");
    let changes = Fault::replaces_after(2 * MIB, "/f", new).and(Fault::cut_after(MIB));
    let all = Mirrors::new(named("a"), [named("b").fault(changes)]);
    all.get(4);
    all.desk.assert_only("f", 1, LEN);
}

/// The file itself is a new one: everything from the start, and the digest judges which version is meant.
#[test]
fn the_first_address_has_a_new_version() {
    for (digest, expected) in [(None, 2), (Some(right()), 1)] {
        let new = Resource::pattern(2, LEN).etag("\"c\"");
        let changes = Fault::replaces_after(2 * MIB, "/f", new).and(Fault::cut_after(MIB));
        let all = Mirrors::new(named("a").fault(changes), [named("b")]);
        let mut what = all.unjudged(4);
        what.digests.extend(digest);
        let outcome = all.desk.get(what);
        outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
        all.desk.assert_only("f", expected, LEN);
    }
}

#[test]
fn a_slow_one_loses_its_work() {
    for first in [true, false] {
        let slow = |slow: bool, site: Site| match slow {
            true => site.fault(Fault::crawl(100 * KIB)),
            false => site,
        };
        let all = Mirrors::new(slow(first, named("a")), [slow(!first, named("b"))]);
        all.get(4);
        all.desk.assert_only("f", 1, LEN);
        let sent = all.sent();
        let (slow, fast) = if first { (sent[0], sent[1]) } else { (sent[1], sent[0]) };
        assert!(slow < fast, "{sent:?} {first} {:?}", all.desk.events());
    }
}

#[test]
fn one_that_minds_many_connections_gets_few() {
    let minds = named("b").max_connections(1, Excess::Unavailable);
    let all = Mirrors::new(named("a"), [minds]);
    all.get(6);
    all.desk.assert_only("f", 1, LEN);
    assert_eq!(all.dropped(&all.others[0]), None, "{:?}", all.desk.events());
}

#[test]
fn one_without_ranges_is_dropped() {
    let all = Mirrors::new(named("a"), [named("b").fault(Fault::ignores_range())]);
    all.get(4);
    all.desk.assert_only("f", 1, LEN);
    assert!(all.dropped(&all.others[0]).is_some());
}

#[test]
fn ones_that_redirect_to_links_that_die() {
    let signed = |tag: &str| {
        let resource = Resource::pattern(1, LEN).etag(&format!("\"{tag}\""));
        Site::new()
            .with_signed("/f", resource, Lease::Requests(3))
            .rate_per_connection(8 * MIB)
            .fault(Fault::cut_after(MIB).on("/signed/f"))
    };
    let all = Mirrors::new(signed("a"), [signed("b")]);
    all.get(4);
    all.desk.assert_only("f", 1, LEN);
    assert!(all.sent().iter().all(|sent| *sent > LEN / 8), "{:?}", all.sent());
}

#[test]
fn a_resume_goes_on_with_other_mirrors() {
    let all = Mirrors::new(named("a"), [named("b"), named("c")]);
    let mut what = all.what(4);
    what.mirrors.truncate(1);
    all.desk.kill_at(what, LEN / 2);
    // The first address is gone, the second one now stands first, and a third one is new.
    all.desk.server.remove("/f");
    let mut what = all.what(3);
    what.mirrors.push(Mirror { url: what.url.clone(), priority: 9 });
    what.url = what.mirrors.remove(0).url;
    let outcome = all.desk.get(what);
    let outcome = outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
    assert!(outcome.resumed >= LEN / 2, "{outcome:?} {:?}", all.desk.events());
    all.desk.assert_only("f", 1, LEN);
}

#[test]
fn a_resume_with_none_but_a_mirror_that_is_new() {
    for (site, resumes) in [(named("n"), true), (other_file(), false)] {
        let all = Mirrors::new(named("a"), [site]);
        all.desk.kill_at(all.desk.over(2, "/f"), LEN / 2);
        all.desk.server.remove("/f");
        match all.desk.get(all.what(2)) {
            Ok(outcome) => {
                assert_eq!(outcome.resumed >= LEN / 2, resumes, "{outcome:?}");
                all.desk.assert_only("f", if resumes { 1 } else { 2 }, LEN);
            }
            Err(failure) => assert!(!resumes, "{failure} {:?}", all.desk.events()),
        }
    }
}

#[test]
fn the_journal_keeps_the_mirrors_and_no_login() {
    let all = Mirrors::new(named("a"), [named("b")]);
    let mut what = all.what(3);
    what.mirrors[0].url.set_username("me").unwrap();
    what.mirrors[0].url.set_password(Some("a-secret")).unwrap();
    all.desk.kill_at(what, LEN / 2);
    let journals = find_unfinished(&OsFs, all.desk.folder.path()).unwrap();
    let meta = inspect(&OsFs, &journals[0]).unwrap().unwrap().meta;
    assert_eq!(meta.url, all.desk.server.url("/f"));
    assert_eq!(meta.mirrors.len(), 1);
    assert_eq!(meta.mirrors[0].url, all.others[0].url("/f"));
    let tag = meta.mirrors[0].identity.as_ref().unwrap().strong_tag();
    assert_eq!(tag.as_deref(), Some("\"b\""));
}

/// Neither the login of the first address nor the headers of this download go where the user did not
/// say.
#[test]
fn logins_and_headers_go_only_where_they_may() {
    let behind = Server::start(Site::new().with("/f", Resource::pattern(1, LEN).etag("\"b\"")));
    let redirects = named("b").fault(Fault::redirect(302, &behind.url("/f")));
    let all = Mirrors::new(named("a"), [redirects, named("c")]);
    let mut what = all.what(6);
    what.url.set_username("me").unwrap();
    what.url.set_password(Some("a-secret")).unwrap();
    what.extra = Extra::headers([("x-token".parse().unwrap(), "t".parse().unwrap())]).unwrap();
    all.desk.get(what).unwrap();
    all.desk.assert_only("f", 1, LEN);
    let carry = |server: &Server, name: &str| {
        let requests = server.stats().requests;
        assert!(!requests.is_empty());
        let having = requests.iter().filter(|request| request.headers.contains(name)).count();
        (having == requests.len(), having > 0)
    };
    for (server, token, login) in [
        (&all.desk.server, true, true),
        (&all.others[0], true, false),
        (&all.others[1], true, false),
        (&behind, false, false),
    ] {
        assert_eq!(carry(server, "x-token"), (token, token));
        assert_eq!(carry(server, "authorization"), (login, login));
    }
}

#[test]
fn headers_by_which_ranges_work_are_refused() {
    for name in ["range", "if-range", "host", "accept-encoding"] {
        let refused = Extra::headers([(name.parse().unwrap(), "x".parse().unwrap())]);
        assert!(refused.is_err(), "{name}");
    }
}

/// Without a digest one address is used at a time.
#[test]
fn without_a_digest_the_others_wait() {
    for n in [1, 4] {
        let all = Mirrors::new(named("a"), [named("b"), named("c")]);
        all.desk.get(all.unjudged(n)).unwrap();
        all.desk.assert_only("f", 1, LEN);
        assert_eq!(all.sent()[1..], [0, 0]);
    }
}

/// A checksum that only finds accidents is no judge of a mirror.
#[test]
fn a_crc_does_not_judge() {
    let bytes = pattern::bytes(1, LEN as usize);
    let mut hasher = piton_fetch::digest::Hasher::new(piton_fetch::digest::Algorithm::Crc32c);
    hasher.update(&bytes);
    let all = Mirrors::new(named("a"), [named("b")]);
    let mut what = all.unjudged(4);
    what.digests = vec![hasher.finalize()];
    all.desk.get(what).unwrap();
    assert_eq!(all.sent()[1], 0);
}

#[test]
fn without_a_digest_the_next_takes_over_when_the_first_fails() {
    let ends = [
        ("404", Fault::status(404)),
        ("503", Fault::status(503)),
        ("wants patience", Fault::status_retry_after(503, RetryAfter::Seconds(3600))),
        ("resets", Fault::resets_unanswered()),
        ("hangs", Fault::hang()),
    ];
    each(ends, |(kind, fault)| {
        for n in [1, 4] {
            // It gives something, and then nothing any more.
            let first = named("a").fault(Fault::cut_after(2 * MIB).first(n));
            let first = first.fault(fault.clone().turns(1 + n..));
            let all = Mirrors::new(first, [named("b")]);
            let mut what = all.unjudged(n.try_into().unwrap());
            what.retries = 2;
            let outcome = all.desk.get(what);
            let outcome = outcome
                .unwrap_or_else(|error| panic!("{kind} {n} {error} {:?}", all.desk.events()));
            all.desk.assert_only("f", 1, LEN);
            assert!(outcome.fetched < LEN + 4 * MIB, "{kind} {n}: {outcome:?}");
            assert!(all.sent()[1] > LEN / 4, "{kind} {n}: {:?}", all.sent());
        }
    });
}

/// Before a byte of the next one is taken, the head, both edges of every gap and samples are compared.
#[test]
fn without_a_digest_one_with_other_bytes_adds_nothing() {
    let gone = |n| {
        named("a")
            .fault(Fault::cut_after(2 * MIB).first(n))
            .fault(Fault::status(404).turns(1 + n..))
    };
    let other = |at: u64| Fault::overwritten_from(at, Body::Pattern { seed: 2, len: LEN });
    each([(1, 0), (1, 2 * MIB - 8 * KIB), (4, MIB), (4, 0)], |(n, at)| {
        let all = Mirrors::new(gone(n), [named("b").fault(other(at))]);
        let mut what = all.unjudged(n.try_into().unwrap());
        what.retries = 1;
        // The reason is that of the first address: what another one has says nothing of the file.
        let failure = all.desk.fail(what);
        assert!(
            matches!(&failure, Failure::Refused { refusal, .. } if refusal.code == Some(404)),
            "{failure:?}"
        );
        let why = all.dropped(&all.others[0]).unwrap();
        assert!(why.contains("its bytes differ at offset"), "{why}");
        let kept = all.desk.claimed();
        assert!(kept >= MIB, "{kept}");
        // The first one is back.
        all.desk.server.clear_faults();
        let outcome = all.desk.get(all.desk.over(2, "/f")).unwrap();
        assert_eq!(outcome.resumed, kept);
        all.desk.assert_only("f", 1, LEN);
    });
}

/// One that gives no ranges cannot show anything before its first new byte: all is fetched from it.
#[test]
fn without_a_digest_one_without_ranges_is_joined_to_nothing() {
    let ends = [
        ("resets", Fault::resets_unanswered()),
        ("404", Fault::status(404)),
        ("503", Fault::status(503)),
    ];
    each(ends, |(kind, end)| {
        let first = named("a").fault(Fault::cut_after(2 * MIB).first(1)).fault(end.turns(2..));
        let all = Mirrors::new(first, [other_file().fault(Fault::ignores_range())]);
        let mut what = all.unjudged(1);
        what.retries = 1;
        let outcome = all.desk.get(what.clone());
        // Should the first run have failed, the next one knows what the mirror is called.
        if outcome.is_err() {
            all.desk.get(what).unwrap_or_else(|error| panic!("{kind} {error}"));
        }
        all.desk.assert_only("f", 2, LEN);
    });
}

/// A mirror that gave some of what is here has a new version, and is asked first since the first URL is busy:
/// that says nothing of the file that was begun.
#[test]
fn a_mirror_that_was_used_has_a_new_version_in_the_next_run() {
    let busy = Fault::status(503).turns(2..);
    let first = named("a").fault(Fault::cut_after(2 * MIB).first(1)).fault(busy);
    let all = Mirrors::new(first, [named("b").fault(Fault::withholds_last(64 * KIB))]);
    let mut what = all.unjudged(1);
    what.retries = 1;
    all.desk.kill_when_claimed(what.clone(), 4 * MIB);
    let here = all.desk.claimed();
    all.others[0].clear_faults();
    all.others[0].replace("/f", Resource::pattern(2, LEN).etag("\"c\""));
    all.desk.server.clear_faults();
    all.desk.server.add_fault(Fault::status(503).first(1));
    let outcome = all.desk.get(what).unwrap();
    assert_eq!(outcome.resumed, here, "{:?}", all.desk.events());
    all.desk.assert_only("f", 1, LEN);
}

/// Every byte is here, and some rotted: the mirror that is given now is asked for those by its own validators.
#[test]
fn a_whole_part_that_rots_is_repaired_from_another_url() {
    let desk = Desk::new(named("b"));
    let identity = format!(r#"{{"size":{LEN},"etag":{{"tag":"a"}}}}"#);
    let meta = format!(
        r#"{{"url":"http://a.test/f","identity":{identity},"begun":0,"ranges":true,
            "mirrors":[{{"url":"{}","priority":1}}]}}"#,
        desk.server.url("/f")
    );
    let runs: Vec<_> = (0..12).map(|n| (1, n * MIB, (n + 1) * MIB)).collect();
    put_part(&desk, &meta, &runs);
    let part = desk.path("f.part");
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[5 * MIB as usize + 9] ^= 1;
    std::fs::write(&part, bytes).unwrap();
    // The change shall not show.
    let journal = desk.path("f.piton");
    std::fs::set_permissions(&journal, std::fs::metadata(&journal).unwrap().permissions()).unwrap();
    let mut what = desk.what("/f");
    what.digests = vec![right()];
    let outcome = desk.get(what).unwrap_or_else(|error| panic!("{error} {:?}", desk.events()));
    assert!(outcome.fetched < LEN / 2, "{outcome:?} {:?}", desk.events());
    desk.assert_only("f", 1, LEN);
}

/// Beside another one nobody waits for it. When that one is gone, nobody waits longer than is allowed.
#[test]
fn the_last_one_left_wants_to_be_left_alone_for_hours() {
    let patience = Fault::status_retry_after(503, RetryAfter::Seconds(3600)).turns(2..);
    let first = named("a").fault(Fault::cut_after(MIB).first(1)).fault(patience);
    let second =
        named("b").fault(Fault::cut_after(MIB).first(3)).fault(Fault::status(404).turns(4..));
    let all = Mirrors::new(first, [second]);
    let mut what = all.what(2);
    what.longest_pause = Duration::from_secs(1);
    let failure = all.desk.fail(what);
    assert!(
        matches!(&failure, Failure::Refused { refusal, .. } if refusal.code == Some(503)),
        "{failure:?} {:?}",
        all.desk.events()
    );
}

/// The digest that a server sent judges also what another URL gives when its turn comes.
#[test]
fn a_digest_of_a_server_under_which_they_shared_judges_each_alone() {
    let first = || of(named_file("a").digest(DigestField::ReprSha256)).fault(Fault::flip(5 * MIB));
    for (seed, right) in [(1, true), (2, false)] {
        let second = of(Resource::pattern(seed, LEN).etag("\"b\""));
        let all = Mirrors::new(first(), [second]);
        match all.desk.get(all.unjudged(4)) {
            Ok(outcome) => {
                assert!(right, "{outcome:?} {:?}", all.desk.events());
                all.desk.assert_only("f", 1, LEN);
            }
            Err(failure) => {
                assert!(!right && matches!(failure, Failure::Integrity { .. }), "{failure:?}");
            }
        }
    }
}

/// A kill at any moment of a fail-over leaves nothing of another file for the next run, whichever address
/// that has.
#[test]
fn kills_around_a_fail_over() {
    each([1, 2, 4], |n: u16| {
        for kill in [2 * MIB + 64 * KIB, 3 * MIB, 6 * MIB] {
            let faults = |site: Site| {
                site.fault(Fault::cut_after(2 * MIB / u64::from(n)).first(n.into()))
                    .fault(Fault::status(404).turns(1 + u64::from(n)..))
            };
            let all = Mirrors::new(faults(named("a")), [named("b"), named("c")]);
            let mut what = all.unjudged(n);
            what.retries = 1;
            all.others[0].add_fault(Fault::withholds_last(64 * KIB));
            all.desk.kill_when_claimed(what, kill);
            all.others[0].clear_faults();
            let mut what = all.unjudged(n);
            what.mirrors.swap(0, 1);
            let outcome = all.desk.get(what).unwrap();
            assert!(outcome.resumed >= kill, "{outcome:?}");
            all.desk.assert_only("f", 1, LEN);
        }
    });
}

/// The first address has a few wrong bytes and the mirror is right: whatever came in first, the digest is
/// that of the bytes under the final name.
#[test]
fn the_first_address_is_wrong_in_a_few_bytes() {
    each([2, 4, 8], |n| {
        for at in [0, 64 * KIB, 5 * MIB, LEN - 64] {
            let spoiled = (at..at + 64).step_by(8).map(Fault::flip);
            let all = Mirrors::new(spoiled.fold(named("a"), Site::fault), [named("b")]);
            let outcome = all.desk.get(all.what(n));
            let outcome = outcome.unwrap_or_else(|error| panic!("{error} {:?}", all.desk.events()));
            assert_eq!(outcome.verified, [right()]);
            all.desk.assert_only("f", 1, LEN);
        }
    });
}
