//! How the commands end.

use super::{fails_for, json, numbers, read};
use crate::command::Place;

#[test]
fn a_finished_job_has_nothing_to_do_and_another_one_in_its_place_is_refused() {
    let place = Place::new();
    numbers(&place, "n", 1000);
    let args = ["lines", "n", "-o", "out", "--chunk", "100", "--", "/bin/sed", "s/^/x/"];
    let ran = place.piton(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("output: exactly once (out)\nside effects of CMD: at least once")
    );
    let wanted: String = (1..=1000).map(|number| format!("x{number}\n")).collect();
    assert_eq!(read(&place, "out"), wanted);
    let again = place.piton(&args);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(again.stderr.ends_with("finished before: nothing to do\n"), "{}", again.stderr);
    let other = place.piton(&["lines", "n", "-o", "out", "--chunk", "200", "--", "/bin/cat"]);
    assert_eq!(other.code, 10, "{}", other.stderr);
    assert!(other.stderr.contains("pieces of 100 bytes, and now it is 200 bytes"));
    assert_eq!(read(&place, "out"), wanted);
}

#[test]
fn what_fails_is_a_dead_letter_and_exit_code_13() {
    let place = Place::new();
    numbers(&place, "n", 5);
    let shell = fails_for("3");
    let cmd = ["--", "/bin/sh", "-c", &shell, "x", "{}"];
    let stopped = place.piton(&[&["each", "n", "-o", "out"], &cmd[..]].concat());
    assert_eq!(stopped.code, 13, "{}", stopped.stderr);
    assert!(stopped.stderr.contains("record 3, at byte 4, failed: exit code 1"));
    let ran =
        place.piton(&[&["each", "n", "-o", "out", "--dead-letter", "bad"], &cmd[..]].concat());
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(ran.stderr.ends_with("  1 record failed: see bad\n"), "{}", ran.stderr);
    assert_eq!(read(&place, "out"), "1\n2\n4\n5\n");
    let letter = json(&read(&place, "bad"));
    assert_eq!((&letter["line"], &letter["data"]), (&3.into(), &"3\n".into()));
    assert_eq!((&letter["error"], &letter["attempts"]), (&"exit code 1".into(), &1.into()));
}

#[test]
fn what_needs_a_command_or_an_output_is_a_usage_error() {
    let place = Place::new();
    numbers(&place, "n", 5);
    for args in [
        &["each", "n"][..],
        &["each", "n", "--header", "--", "/bin/true"],
        &["lines", "n", "--chunk", "0", "--", "/bin/cat"],
        &["lines", "n", "--chunk", "1k"],
        &["lines", "n", "-o", "out"],
        &["lines", "n", "--json", "--", "/bin/cat"],
        &["lines", "n", "-o", "out", "--commit-at-end", "--", "/bin/cat"],
    ] {
        let ran = place.piton(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(!place.path("out.part").exists(), "{args:?}");
    }
    assert_eq!(place.piton(&["lines", "missing", "-o", "out", "--", "/bin/cat"]).code, 3);
    let ran = place.piton(&["lines", "n", "-o", "new", "--", "/no/such/program"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no such program"), "{}", ran.stderr);
}

#[test]
fn without_a_command_each_record_is_printed_once() {
    let place = Place::new();
    place.write("log", b"a\nb\nhalf");
    let ran = place.piton(&["lines", "log"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a\nb\n"));
    place.write("log", b"a\nb\nhalf a line\nd\n");
    assert_eq!(place.piton(&["lines", "log"]).stdout, "half a line\nd\n");
    assert_eq!(place.piton(&["lines", "log"]).stdout, "");
}
