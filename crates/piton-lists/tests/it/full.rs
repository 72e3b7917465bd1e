//! Disks that take nothing more: the run ends, says so, and goes on when there is room.

use piton_testkit::SmallDisk;

use super::*;

#[test]
fn no_room_for_files_ends_the_run_and_fails_no_item() {
    let desk = Desk::of_files(300);
    desk.list(paths(0..300));
    let Some(small) = SmallDisk::mount_at(&desk.path("out"), "size=400k") else { return };
    let (failed, _) = desk.run_with(desk.options(), Diary::default());
    assert!(matches!(failed, Err(RunError::Disk(_))), "{failed:?}");
    assert!(desk.known().values().all(|known| known.state == State::Done));
    let done = desk.known().len() as u64;
    small.remount("size=64m");
    let summary = desk.run(desk.options());
    assert!(summary.is_complete(), "{summary:?}");
    assert!(summary.done_before == done && done > 0, "{summary:?}");
}

/// At the head of the list stands an item that claims more than there is room for.
#[test]
fn one_that_claims_more_than_there_is_room_for_fails_alone() {
    let claims = Resource::pattern(100, 200 << 20).etag("\"c\"");
    let desk = Desk::new(site_of(30).with("/claims", claims));
    desk.list(["/claims".to_owned()].into_iter().chain(paths(0..30)));
    let Some(small) = SmallDisk::mount_at(&desk.path("out"), "size=64m") else { return };
    assert_fails_alone(&desk, desk.options());
    // With more room it is tried again, without being asked for.
    small.remount("size=512m");
    let summary = desk.run(desk.options());
    assert!(summary.is_complete(), "{summary:?}");
}

/// It does not say how long it is, and does not end.
#[test]
fn one_that_never_ends_leaves_room_for_the_others() {
    let endless = Resource::pattern(100, 200 << 20);
    let fault = Fault::chunked(64 << 10).and(Fault::ignores_range()).on("/endless");
    let desk = Desk::new(site_of(30).with("/endless", endless).fault(fault));
    desk.list(["/endless".to_owned()].into_iter().chain(paths(0..30)));
    let Some(_small) = SmallDisk::mount_at(&desk.path("out"), "size=64m") else { return };
    let mut options = desk.one_at_a_time();
    options.retries = 0;
    assert_fails_alone(&desk, options);
}

/// The first item of the list is the only one that is not done.
fn assert_fails_alone(desk: &Desk, options: Options) {
    let summary = desk.run(options);
    assert_eq!((summary.done, summary.transient, summary.fatal), (30, 1, 0), "{summary:?}");
    assert_eq!(summary.ended, None);
    let known = &desk.known()[&1];
    assert_eq!(known.class.as_ref().map(|class| class.as_str()), Some("no-room"), "{known:?}");
}

#[test]
fn no_room_for_outcomes_ends_the_run_and_costs_no_file() {
    let desk = Desk { ledger: "state/list.piton.db", ..Desk::of_files(3000) };
    desk.list(paths(0..3000));
    let Some(small) = SmallDisk::mount_at(&desk.path("state"), "size=300k") else { return };
    let (failed, diary) = desk.run_with(desk.options(), Diary::default());
    assert!(matches!(failed, Err(RunError::Ledger(_))), "{failed:?}");
    let started = diary.iter().filter(|line| line.starts_with("started")).count();
    assert!(started < 3000, "it went on");
    small.remount("size=64m");
    let sent = |desk: &Desk| desk.server.stats().sent();
    let before = sent(&desk);
    let numbers = 0..started as u64;
    desk.list(paths(numbers));
    let summary = desk.run(desk.options());
    assert!(summary.is_complete() && summary.found > 0, "{summary:?}");
    // Only what was under way comes once more.
    assert!(sent(&desk) - before <= 17 * 4 * KIB + summary.items(), "{summary:?}");
}
