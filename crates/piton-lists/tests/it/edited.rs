//! Lists that are edited between runs.

use super::*;

#[test]
fn sorted_cut_and_grown_lists_go_on_where_they_were() {
    let desk = Desk::of_files(60);
    desk.list(paths(0..40));
    let first = desk.run_until(desk.one_at_a_time(), 20);
    // Backwards, without some that are done and some that are not, and with new ones.
    let edited: Vec<u64> = (0..60).rev().filter(|number| number % 7 != 3).collect();
    desk.list(paths(edited.iter().copied()));
    let stopped = desk.run_until(desk.options(), 10);
    desk.list(paths(edited.iter().copied().filter(|number| number % 2 == 0)));
    let summary = desk.run(desk.options());
    assert!(summary.is_complete(), "{summary:?}");
    desk.list(paths(0..60));
    let summary = desk.run(desk.options());
    assert!(summary.is_complete() && summary.items() == 60, "{summary:?}");
    let asked = desk.asked();
    assert_eq!(asked.len(), 60);
    // Only what was under way at a stop may have been asked for once more.
    let again = asked.values().filter(|times| **times > 1).count() as u64;
    assert!(again <= first.interrupted + stopped.interrupted, "{asked:?}");
    assert!(asked.values().all(|times| *times <= 2), "{asked:?}");
    (0..60).for_each(|number| desk.assert_file(&number.to_string(), number));
}

#[test]
fn an_item_that_stands_there_twice_is_two() {
    let desk = Desk::of_files(2);
    desk.list(["/0", "/1", "/0"]);
    assert_eq!(desk.run(desk.options()).done, 3);
    assert_eq!(desk.files(), ["0", "0.1", "1"]);
    assert_eq!(desk.asked()["/0"], 2);
    // One of them less is not another item, and one more is.
    desk.list(["/1", "/0"]);
    assert_eq!(desk.run(desk.options()).done_before, 2);
    desk.list(["/0", "/0", "/0"]);
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.done_before), (1, 2));
    assert_eq!(desk.files(), ["0", "0.1", "0.2", "1"]);
    ["0", "0.1", "0.2"].iter().for_each(|name| desk.assert_file(name, 0));
}
