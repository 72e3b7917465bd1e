//! Jobs that begin where another program has noted that it is.

use std::process::Command;

use piton_testkit::skip;

use super::{numbers, read};
use crate::command::Place;

/// What `piton lines` makes of the rest of the lines 1 to 20.
fn rest(place: &Place, note: &str, what: &str) -> String {
    place.write("note", note.as_bytes());
    let name = format!("out-{what}-{}", note.trim());
    let ran = place
        .piton(&["lines", "n", "-o", &name, "--adopt", "note", "--as", what, "--", "/bin/cat"]);
    assert_eq!(ran.code, 0, "{what} {note}: {}", ran.stderr);
    read(place, &name)
}

fn from(first: u64) -> String {
    (first..=20).map(|number| format!("{number}\n")).collect()
}

#[test]
fn numbers_mean_what_was_said() {
    let place = Place::new();
    numbers(&place, "n", 20);
    for (what, note, first) in [
        ("lines-done", "7\n", 8),
        ("lines-done", "0", 1),
        ("lines-done", "20", 21),
        ("last-line0", "7", 9),
        ("last-line1", "7", 8),
        ("byte-offset", "0", 1),
        ("byte-offset", "18", 10),
        ("byte-offset", "21", 11),
    ] {
        assert_eq!(rest(&place, note, what), from(first), "{what} {note}");
    }
}

#[test]
fn a_job_that_was_adopted_goes_on_as_any_other() {
    let place = Place::new();
    // More than is read at once.
    numbers(&place, "n", 100_000);
    place.write("note", b"70000");
    let shell = "if test -e go; then cat; else kill -9 $PPID; fi";
    let cmd = ["--", "/bin/sh", "-c", shell];
    let args = [&["lines", "n", "--append", "out", "--chunk", "10k"][..], &cmd].concat();
    let adopting = [&args[..6], &["--adopt", "note", "--as", "lines-done"], &cmd].concat();
    let killed = place.command(&adopting).output().unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
    place.write("go", b"");
    // Its own position counts now.
    let refused = place.piton(&adopting);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("leave --adopt out to continue"), "{}", refused.stderr);
    let ran = place.piton(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let wanted: String = (70_001..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(read(&place, "out") == wanted);
}

#[test]
fn a_compressed_file_is_counted_as_what_it_holds() {
    let place = Place::new();
    numbers(&place, "n", 100_000);
    let gzip = Command::new("gzip").arg("n").current_dir(&place.dir).status();
    if !gzip.is_ok_and(|status| status.success()) {
        return skip("gzip is not installed");
    }
    place.write("note", b"70000");
    let shell = "if test -e go; then cat; else kill -9 $PPID; fi";
    let cmd = ["--", "/bin/sh", "-c", shell];
    let args = ["lines", "n.gz", "-o", "out", "--chunk", "10k"];
    let adopt = ["--adopt", "note", "--as", "lines-done"];
    let killed = place.command(&[&args[..], &adopt, &cmd].concat()).output().unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
    let seen = super::json(&place.piton(&["status", "--json", "out"]).stdout);
    assert_eq!((&seen["records"], &seen["size"]), (&70_000.into(), &serde_json::Value::Null));
    place.write("go", b"");
    let ran = place.piton(&[&args[..], &cmd].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let wanted: String = (70_001..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(read(&place, "out") == wanted);
}

#[test]
fn a_place_that_is_none_is_refused() {
    let place = Place::new();
    numbers(&place, "n", 20);
    for (what, note, says) in [
        ("lines-done", "21", "has 20 records and 51 bytes"),
        ("byte-offset", "52", "has 20 records and 51 bytes"),
        ("byte-offset", "19", "byte 19 of n is in the middle of a record"),
        ("lines-done", "many", "does not hold a number"),
        ("last-line0", "-1", "does not hold a number"),
        ("logtail", "1\n2\n", "is for the file with inode 1"),
        ("joblog", "7", "--as joblog works with piton each only"),
    ] {
        place.write("note", note.as_bytes());
        let args = ["lines", "n", "-o", "out", "--adopt", "note", "--as", what, "--", "/bin/cat"];
        let ran = place.piton(&args);
        assert_eq!(ran.code, 2, "{what} {note}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{what} {note}: {}", ran.stderr);
    }
}

#[test]
fn an_offset_file_of_logtail() {
    if Command::new("logtail").arg("-h").output().is_err() {
        return skip("logtail is not installed");
    }
    let place = Place::new();
    place.write("log", b"1\n2\n3\n");
    let logtail = || {
        let mut logtail = Command::new("logtail");
        logtail.args(["-f", "log", "-o", "offset"]).current_dir(&place.dir).output().unwrap()
    };
    assert_eq!(logtail().stdout, b"1\n2\n3\n");
    place.write("log", b"1\n2\n3\n4\n5\n");
    let ran = place.piton(&["lines", "log", "--adopt", "offset", "--as", "logtail"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "4\n5\n"), "{}", ran.stderr);
    assert_eq!(logtail().stdout, b"4\n5\n");
    assert_eq!(place.piton(&["lines", "log"]).stdout, "");
}

#[test]
fn a_joblog_of_gnu_parallel() {
    if Command::new("parallel").arg("--version").output().is_err() {
        return skip("GNU parallel is not installed");
    }
    let place = Place::new();
    numbers(&place, "n", 20);
    // 3 and 11 fail, and what 13 waits for never comes: it is killed.
    let job = "case {} in 3|11) exit 1;; 13) kill -9 $$;; esac; echo {} >> ran";
    let ran = Command::new("parallel")
        .args(["-j1", "--joblog", "log", "-a", "n", job])
        .env("HOME", place.dir.path())
        .current_dir(&place.dir)
        .output()
        .unwrap();
    assert_eq!(read(&place, "ran").lines().count(), 17, "{ran:?}");
    let args = ["each", "n", "-o", "out", "--adopt", "log", "--as", "joblog"];
    let ordered = place.piton(&[&args[..], &["--", "/bin/echo"]].concat());
    assert_eq!(ordered.code, 2, "{}", ordered.stderr);
    assert!(ordered.stderr.contains("record 3 is not done"), "{}", ordered.stderr);
    // A kill in between: what the joblog says is in the state.
    let shell = "if test $1 = 11 && ! test -e go; then kill -9 $PPID; fi; echo $1";
    let cmd = ["--unordered", "-j", "1", "--", "/bin/sh", "-c", shell, "x", "{}"];
    place.command(&[&args[..], &cmd].concat()).output().unwrap();
    place.write("go", b"");
    let ran = place.piton(&[&args[..4], &cmd].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(read(&place, "out"), "3\n11\n13\n");
}
