//! Runs that end before their list.

use piton_lists::run::MaxFailures;

use super::*;

#[test]
fn enough_failures_end_a_run() {
    let desk = Desk::of_files(1);
    let none: Vec<String> = (0..50).map(|number| format!("/none-{number}")).collect();
    desk.list(&none);
    for most in [MaxFailures::Count(4), MaxFailures::Percent(8.0)] {
        let mut options = desk.one_at_a_time();
        options.max_failures = Some(most);
        let summary = desk.run(options);
        assert_eq!((summary.failed_now, summary.ended), (5, Some(Early::Failures)));
        assert_eq!(summary.items(), 50, "{summary:?}");
    }
    assert_eq!(desk.asked().len(), 10);
}

#[test]
fn a_list_that_is_not_there_and_a_folder_that_is_a_file() {
    let desk = Desk::of_files(1);
    let (failed, _) = desk.run_with(desk.options(), Diary::default());
    assert!(matches!(failed, Err(RunError::List(_))), "{failed:?}");
    desk.list(["/0"]);
    std::fs::write(desk.path("out"), "x").unwrap();
    let (failed, _) = desk.run_with(desk.options(), Diary::default());
    assert!(matches!(failed, Err(RunError::Folder(_))), "{failed:?}");
}
