//! How items end, what is written down of it, and what a later run does with them.

use super::*;

#[test]
fn each_kind_of_end() {
    let site = site_of(6)
        .fault(Fault::status(500).on("/1").first(4))
        .fault(Fault::status(500).on("/2"))
        .fault(Fault::cut_after(0).on("/3"));
    let desk = Desk::new(site);
    let wrong = format!("  sha256={}", "0".repeat(64));
    let list = ["/0", "/1", "/2", "/3", "/none", "/4", &wrong, "ftp://h/x", "/5", "  out=../x"];
    std::fs::create_dir(desk.path("out")).unwrap();
    desk.list(list);
    let (summary, diary) = desk.run_with(desk.options(), Diary::default());
    let summary = summary.unwrap();
    assert_eq!((summary.done, summary.transient, summary.fatal), (2, 2, 3), "{diary:?}");
    assert_eq!((summary.items(), summary.unread), (7, Some(0)), "{summary:?}");
    let class = |line: u64| {
        let known = desk.known().remove(&line).unwrap();
        (known.state, known.class.map(|class| class.as_str().to_owned()).unwrap_or_default())
    };
    assert_eq!(class(1), (State::Done, String::new()));
    assert_eq!(class(2), (State::Done, String::new()));
    assert_eq!(class(3), (State::Transient, "500".to_owned()));
    assert_eq!(class(4), (State::Transient, "broken".to_owned()));
    assert_eq!(class(5), (State::Fatal, "404".to_owned()));
    assert_eq!(class(6), (State::Fatal, "integrity".to_owned()));
    assert_eq!(class(9), (State::Fatal, "name".to_owned()));
    assert_eq!(desk.asked()["/none"], 1);
    desk.assert_file("0", 0);
    desk.assert_file("1", 1);

    // The next run tries only what may pass.
    desk.server.clear_faults();
    let before = desk.asked();
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.done_before, summary.fatal), (2, 2, 3));
    let after = desk.asked();
    for path in ["/0", "/1", "/none", "/4"] {
        assert_eq!(before[path], after[path], "{path}");
    }

    // And one that was asked for, what failed for good.
    let retried = |select: Select| {
        let mut options = desk.options();
        options.select = select;
        desk.run(options)
    };
    assert_eq!(desk.asked()["/none"], 1);
    let summary = retried(retry(&["4xx"]));
    assert_eq!((summary.failed_now, summary.fatal, summary.done_before), (1, 3, 4));
    assert_eq!(desk.asked()["/none"], 2);
    desk.list(["/0", "/1", "/2", "/3", "/none", "/4", &wrong]);
    assert_eq!(retried(retry(&[])).fatal, 2);
    assert_eq!(desk.asked()["/none"], 3);
}

#[test]
fn tries_are_counted_over_all_runs() {
    let desk = Desk::new(site_of(1).fault(Fault::status(500).on("/0")));
    desk.list(["/0"]);
    let mut options = desk.options();
    options.adjust = Some(Arc::new(|what| what.retries = 0));
    assert_eq!(desk.run(options.clone()).transient, 1);
    assert_eq!((desk.known()[&1].attempts, desk.asked()["/0"]), (3, 3));
    assert_eq!(desk.run(options).transient, 1);
    assert_eq!((desk.known()[&1].attempts, desk.asked()["/0"]), (6, 6));
}

#[test]
fn a_file_in_the_way_is_left_alone_and_one_that_is_complete_is_found() {
    let desk = Desk::of_files(2);
    desk.list(["/0", "/1"]);
    std::fs::create_dir(desk.path("out")).unwrap();
    std::fs::write(desk.path("out/0"), "mine").unwrap();
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.fatal), (1, 1));
    assert_eq!(std::fs::read(desk.path("out/0")).unwrap(), b"mine");
    assert_eq!(desk.known()[&1].class.as_ref().unwrap().as_str(), "exists");

    // As after a kill between the last step of the file and the commit of its outcome.
    std::fs::remove_file(desk.path("list.piton.db")).unwrap();
    std::fs::remove_file(desk.path("out/0")).unwrap();
    let sent = desk.server.stats().requests_for("/1").map(|request| request.sent).sum::<u64>();
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.found), (2, 1));
    let now = desk.server.stats().requests_for("/1").map(|request| request.sent).sum::<u64>();
    assert!(now - sent <= 1, "{now} after {sent}");
}

#[test]
fn a_check_fetches_what_is_new_and_nothing_else() {
    let desk = Desk::of_files(3);
    desk.list(["/0", "/1", "/2"]);
    assert_eq!(desk.run(desk.options()).done, 3);
    desk.server.replace("/1", Resource::pattern(77, 4 * KIB).etag("\"new\""));
    desk.server.remove("/2");
    let mut options = desk.options();
    options.check = true;
    let summary = desk.run(options);
    assert_eq!((summary.done, summary.done_before, summary.unchecked), (1, 2, 1), "{summary:?}");
    desk.assert_file("0", 0);
    desk.assert_file("1", 77);
    desk.assert_file("2", 2);
    assert_eq!(desk.state(3), Some(State::Done));
    let asked = desk.asked();
    assert_eq!(desk.run(desk.options()).done_before, 3);
    assert_eq!(desk.asked(), asked);
}

#[test]
fn wrong_lines_are_told_and_the_rest_goes_on_unless_that_is_not_wanted() {
    let desk = Desk::of_files(2);
    desk.list(["/0", "ftp://h/x", "/1"]);
    let mut strict = desk.options();
    strict.strict = true;
    let (failed, _) = desk.run_with(strict, Diary::default());
    assert!(matches!(failed, Err(RunError::Strict { lines: 1, .. })), "{failed:?}");
    assert_eq!(desk.asked().len(), 0);
    let (summary, diary) = desk.run_with(desk.options(), Diary::default());
    let summary = summary.unwrap();
    assert_eq!((summary.done, summary.bad_lines, summary.is_complete()), (2, 1, false));
    assert!(diary.contains(&"bad 2".to_owned()), "{diary:?}");
}

#[test]
fn an_item_that_kills_its_process_again_and_again_is_quarantined() {
    let desk = Desk::of_files(2);
    desk.list(["/0", "/1"]);
    (1..=5).for_each(|attempt| desk.die_at(1, attempt));
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.quarantined), (1, 1), "{summary:?}");
    assert_eq!(desk.asked().keys().collect::<Vec<_>>(), ["/1"]);
    let mut options = desk.options();
    options.select = retry(&[]);
    let summary = desk.run(options);
    assert_eq!((summary.done, summary.quarantined, summary.done_before), (1, 0, 1));
}

#[test]
fn what_a_dead_run_had_begun_goes_first() {
    let desk = Desk::of_files(5);
    desk.list(paths(0..5));
    desk.die_at(4, 1);
    desk.run(desk.one_at_a_time());
    assert_eq!(desk.order(), ["/3", "/0", "/1", "/2", "/4"]);
}

/// A list of one item, `/0`, whose file landed, with the ledger as it was before that.
fn landed_and_not_recorded(validator: Option<&str>) -> Desk {
    let file = |seed| match validator {
        Some(tag) => Resource::pattern(seed, 4 * KIB).etag(tag),
        None => Resource::pattern(seed, 4 * KIB),
    };
    let desk = Desk::new(Site::new().with("/0", file(0)));
    desk.list(["/0"]);
    desk.ledger().close().unwrap();
    let (ledger, before) = (desk.path("list.piton.db"), desk.path("before"));
    std::fs::copy(&ledger, &before).unwrap();
    assert_eq!(desk.run(desk.options()).done, 1);
    std::fs::copy(&before, &ledger).unwrap();
    desk
}

#[test]
fn a_file_whose_outcome_was_lost_is_the_items_own() {
    for is_known_by_tag in [true, false] {
        // After a power cut nobody knows that it was in flight, after a kill it is known.
        for was_killed in [true, false] {
            let desk = landed_and_not_recorded(is_known_by_tag.then_some("\"a\""));
            if was_killed {
                desk.die_at(1, 1);
            }
            let summary = desk.run(desk.options());
            assert!(summary.is_complete(), "{summary:?}");
            // Nothing tells the file that is there from another of its length: fetched again.
            assert_eq!(summary.found == 1, is_known_by_tag);
            desk.assert_file("0", 0);
        }
    }
}

#[test]
fn a_file_that_is_not_the_items_own_stays() {
    let class = |desk: &Desk| desk.known()[&1].class.as_ref().map(|class| class.to_string());
    let refused = |desk: &Desk, kept: &[u8]| {
        assert_eq!(desk.run(desk.options()).fatal, 1);
        assert_eq!(class(desk).unwrap(), "exists");
        assert_eq!(std::fs::read(desk.path("out/0")).unwrap(), kept);
    };
    // Edited since, at the same length.
    let desk = landed_and_not_recorded(None);
    desk.die_at(1, 1);
    std::fs::write(desk.path("out/0"), [7; 4096]).unwrap();
    refused(&desk, &[7; 4096]);

    // Made by a list that was given up, whoever looks at it: another one may have been there.
    let desk = landed_and_not_recorded(None);
    let made = std::fs::read(desk.path("out/0")).unwrap();
    std::fs::remove_file(desk.path("list.piton.db")).unwrap();
    desk.die_at(1, 1);
    refused(&desk, &made);

    // Made by another item of this one, which then left the list.
    let desk = landed_and_not_recorded(None);
    desk.server.replace("/1", Resource::pattern(1, 4 * KIB));
    desk.list(["/1", "  out=0"]);
    refused(&desk, &made);
}
