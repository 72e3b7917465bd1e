//! A resume with other options shows what differs.

use super::{lines, place, read, run, says};

#[test]
fn each_difference_is_refused_and_shown() {
    let script = "[ -e go ] || [ $PITON_OFFSET -lt 40 ] || exit 1; cat";
    let arguments = ["lines", "in", "--chunk", "8", "-o", "out"];
    let place = place(&lines(30));
    says(&run(&place, &arguments, script), 13, "exit code 1");
    place.write("go", b"");
    let with = |more: &[&'static str]| [&arguments[..], more].concat();
    for (other, was, now) in [
        (vec!["lines", "in", "--chunk", "9", "-o", "out"], "8 bytes", "9 bytes"),
        (vec!["lines", "in", "-o", "out"], "8 bytes", "1048576 bytes"),
        (with(&["--csv"]), "lines", "csv"),
        (with(&["--null"]), "lines", "byte 0"),
        (with(&["--header"]), "8 bytes", "the first record apart"),
        (with(&["--unordered"]), "source order", "any order"),
        (vec!["each", "in", "-o", "out"], "8 bytes", "1 record"),
    ] {
        let ran = run(&place, &other, script);
        says(&ran, 10, was);
        says(&ran, 10, now);
    }
    let ran = run(&place, &arguments, "cat; true");
    says(&ran, 10, "exit 1; cat");
    says(&ran, 10, "cat; true");
    says(&ran, 10, "--accept-command");
    // With another output it would be another job.
    let other = ["lines", "in", "--chunk", "8", "--append", "out"];
    assert_ne!(run(&place, &other, script).code, 0);
    says(&run(&place, &arguments, script), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
    says(&run(&place, &arguments, script), 0, "nothing to do");
}

/// The number of workers, limits and retries are free.
#[test]
fn what_is_no_part_of_the_job_may_change() {
    let script = "[ -e go ] || [ $PITON_OFFSET -lt 40 ] || exit 1; cat";
    let arguments = ["lines", "in", "--chunk", "8", "-o", "out"];
    let place = place(&lines(30));
    says(&run(&place, &[&arguments[..], &["--jobs", "1"]].concat(), script), 13, "exit code 1");
    place.write("go", b"");
    let more = [
        "--jobs",
        "4",
        "--retries",
        "9",
        "--timeout",
        "1m",
        "--spool-limit",
        "1MiB",
        "--rate",
        "1000",
    ];
    says(&run(&place, &[&arguments[..], &more].concat(), script), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), lines(30));
}
