//! The file on the server is replaced: two versions are never joined (G4).

use std::time::SystemTime;

use piton_fetch::IfChanged;

use super::*;

const LEN: u64 = 3 * MIB;

fn time(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + day * 86_400)
}

fn version(seed: u64) -> Resource {
    Resource::pattern(seed, LEN)
}

/// Pairs of an old and a new version, by what tells them apart.
fn pairs() -> Vec<(&'static str, Resource, Resource)> {
    let tag = |seed| version(seed).etag(&format!("\"{seed}\""));
    let weak = |seed| version(seed).etag(&format!("W/\"{seed}\""));
    let timed = |seed| version(seed).last_modified(time(seed));
    vec![
        ("tag", tag(1), tag(2)),
        ("tag and time", tag(1).last_modified(time(1)), tag(2).last_modified(time(2))),
        ("weak tag", weak(1), weak(2)),
        ("time", timed(1), timed(2)),
        (
            "time, backwards",
            timed(2).etag("W/\"x\""),
            Resource::pattern(2, LEN).last_modified(time(1)),
        ),
        ("bytes alone", version(1), version(2)),
        ("tag that goes", tag(1), version(2)),
        ("tag that comes", version(1), tag(2)),
    ]
}

fn old_seed(resource: &Resource) -> u64 {
    match resource.body {
        piton_testkit::server::Body::Pattern { seed, .. } => seed,
        piton_testkit::server::Body::Bytes(_) => unreachable!("all versions here are patterns"),
    }
}

/// The file is one version from end to end; which, by its seed.
#[track_caller]
fn whole(desk: &Desk, kind: &str, seeds: [u64; 2]) -> u64 {
    assert_eq!(desk.files(), ["f"], "{kind}");
    let bytes = desk.read("f");
    let of = seeds.into_iter().find(|&seed| pattern::first_difference(seed, 0, &bytes).is_none());
    of.unwrap_or_else(|| panic!("{kind}: two versions in one file, {:?}", desk.events()))
}

#[test]
fn between_two_runs() {
    for n in [1, 4] {
        for ignores_if_range in [false, true] {
            for (kind, old, new) in pairs() {
                if old_seed(&old) == old_seed(&new) {
                    continue;
                }
                let mut site = Site::new().with("/f", old).rate_total(12 * MIB);
                if ignores_if_range {
                    site = site.fault(Fault::ignores_if_range());
                }
                let desk = Desk::new(site);
                desk.kill_at(desk.over(n, "/f"), LEN / 2);
                let seed = old_seed(&new);
                desk.server.replace("/f", new);
                let outcome = desk.get(desk.over(5 - n, "/f"));
                let outcome = outcome.unwrap_or_else(|error| panic!("{kind}: {error}"));
                assert_eq!(outcome.size, LEN);
                desk.assert_only("f", seed, LEN);
                let over = |event: &Event| matches!(event, Event::StartedOver { .. });
                assert!(desk.saw(over), "{kind}: {:?}", desk.events());
            }
        }
    }
}

#[test]
fn between_two_runs_and_it_shall_be_said() {
    for (kind, old, new) in pairs() {
        let desk = Desk::new(Site::new().with("/f", old.clone()).rate_total(12 * MIB));
        desk.kill_at(desk.over(3, "/f"), LEN / 2);
        desk.server.replace("/f", new);
        let mut what = desk.over(2, "/f");
        what.if_changed = IfChanged::Stop;
        let failure = desk.fail(what.clone());
        assert!(matches!(failure, Failure::Changed { .. }), "{kind}: {failure:?}");
        // What was here is kept: the old version may come back.
        desk.server.replace("/f", old.clone());
        let outcome = desk.get(what).unwrap();
        assert!(outcome.resumed >= LEN / 2, "{kind}: {outcome:?}");
        desk.assert_only("f", old_seed(&old), LEN);
    }
}

#[test]
fn longer_or_shorter() {
    for (was, is) in [(LEN, LEN + MIB), (LEN, MIB), (LEN, 0), (LEN, 1)] {
        for n in [1, 3] {
            let site = Site::new().with("/f", Resource::pattern(1, was)).rate_total(12 * MIB);
            let desk = Desk::new(site);
            desk.kill_at(desk.over(n, "/f"), was / 2);
            desk.server.replace("/f", Resource::pattern(1, is));
            desk.get(desk.over(4 - n, "/f")).unwrap();
            desk.assert_only("f", 1, is);
        }
    }
}

/// In flight: connections break often, so that each version is asked for on the way.
#[test]
fn in_flight() {
    for n in [1, 4] {
        for ignores_if_range in [false, true] {
            for (kind, old, new) in pairs() {
                let seeds = [old_seed(&old), old_seed(&new)];
                let mut site = Site::new()
                    .with("/f", old)
                    .rate_total(12 * MIB)
                    .fault(Fault::replaces_after(LEN / 2, "/f", new))
                    .fault(Fault::cut_after(700 * KIB));
                if ignores_if_range {
                    site = site.fault(Fault::ignores_if_range());
                }
                let desk = Desk::new(site);
                let outcome = desk.get(desk.over(n, "/f"));
                outcome.unwrap_or_else(|error| panic!("{kind} {n}: {error} {:?}", desk.events()));
                assert_eq!(whole(&desk, kind, seeds), seeds[1], "{kind} {n}");
            }
        }
    }
}

/// Replaced between any two requests of a download over several connections, by a file of the same
/// length, on a server that says nothing but lengths.
#[test]
fn between_any_two_requests_with_nothing_but_the_size() {
    for turn in 2..=7 {
        let site = Site::new()
            .with("/f", Resource::pattern(1, 12 * MIB))
            .rate_total(32 * MIB)
            .fault(Fault::replaces("/f", Resource::pattern(2, 12 * MIB)).nth(turn));
        let desk = Desk::new(site);
        let outcome = desk.get(desk.over(4, "/f"));
        outcome.unwrap_or_else(|error| panic!("{turn}: {error} {:?}", desk.events()));
        whole(&desk, &format!("request {turn}"), [1, 2]);
    }
}

/// One node has another version than the others.
#[test]
fn a_node_that_was_updated_before_the_others() {
    for (kind, old, new) in pairs() {
        let seeds = [old_seed(&old), old_seed(&new)];
        let site = Site::new()
            .with("/f", old)
            .rate_total(12 * MIB)
            .fault(Fault::cut_after(MIB))
            .fault(Fault::other_version(new).when(|context| context.connection % 3 == 0));
        let desk = Desk::new(site);
        match desk.get(desk.over(3, "/f")) {
            Ok(_) => drop(whole(&desk, kind, seeds)),
            Err(failure) => {
                assert!(matches!(failure, Failure::Changed { .. }), "{kind}: {failure:?}");
                assert_eq!(desk.files(), ["f.part", "f.piton"]);
            }
        }
        assert!(desk.requests() < 120, "{kind}: {}", desk.requests());
    }
}

/// A file that changes all the time is given up, and what changed is said.
#[test]
fn with_every_request() {
    let site = Site::new().with("/f", version(1)).fault(Fault::cut_after(MIB)).fault(
        Fault::in_resource(|resource, context| {
            resource.etag = Some(format!("\"{}\"", context.connection));
        }),
    );
    let desk = Desk::new(site);
    let failure = desk.fail(desk.what("/f"));
    assert!(matches!(failure, Failure::Changed { restarts: 3, .. }), "{failure:?}");
    assert!(desk.requests() <= 16, "{}", desk.requests());
}

/// Overwritten in place while it is sent: the head stays that of the old version, and only a digest
/// can tell.
#[test]
fn in_place_while_it_is_sent() {
    let other = piton_testkit::server::Body::Pattern { seed: 2, len: LEN };
    let fault = Fault::overwritten_from(MIB, other).first(1);
    let desk = Desk::with(version(1).etag("\"a\""), fault);
    let mut what = desk.what("/f");
    what.digests = vec![format!("sha256:{}", version(1).sha256()).parse().unwrap()];
    desk.get(what).unwrap();
    desk.assert_only("f", 1, LEN);
}
