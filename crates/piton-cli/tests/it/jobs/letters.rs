//! `piton failures` and `piton retry` for dead letters.

use super::{fails_for, json, numbers, read};
use crate::command::Place;

/// Lines 1 to 9 in chunks of two lines, of which the chunks that hold a 3 and a 7 failed.
fn with_letters(place: &Place) {
    numbers(place, "n", 9);
    let cmd = ["--", "/bin/sh", "-c", "! grep [37] >/dev/null"];
    let head = ["lines", "n", "-o", "out", "--chunk", "4", "--dead-letter", "bad"];
    let ran = place.piton(&[&head[..], &cmd].concat());
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert_eq!(read(place, "bad").lines().count(), 2);
}

#[test]
fn failures_prints_the_records_as_they_were() {
    let place = Place::new();
    with_letters(&place);
    let ran = place.piton(&["failures", "bad"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "3\n4\n7\n8\n"), "{}", ran.stderr);
    let ran = place.piton(&["failures", "--json", "bad"]);
    let lines: Vec<_> = ran.stdout.lines().map(json).collect();
    assert_eq!((&lines[1]["line"], &lines[1]["records"]), (&7.into(), &2.into()));
    // Bytes that are not text, and a record that is not kept because it was too long.
    place.write("raw", b"\xff\xfe\n");
    let cmd = ["--dead-letter", "bad2", "--", "/bin/false"];
    assert_eq!(place.piton(&[&["each", "raw", "-o", "o"], &cmd[..]].concat()).code, 13);
    let ran = place.command(&["failures", "bad2"]).output().unwrap();
    assert_eq!(ran.stdout, b"\xff\xfe\n");
    place.write("long", b"0123456789\n");
    let limit = ["each", "long", "-o", "o2", "--max-record", "5"];
    let ran = place.piton(&[&limit, &["--dead-letter", "bad3", "--", "/bin/false"][..]].concat());
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    let ran = place.piton(&["failures", "bad3"]);
    assert_eq!(ran.code, 13, "{}", ran.stdout);
    assert!(ran.stderr.contains("longer than allowed"), "{}", ran.stderr);
    let text = read(&place, "bad") + "rubbish\n";
    place.write("bad", text.as_bytes());
    let ran = place.piton(&["failures", "bad"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, "3\n4\n7\n8\n"));
    assert!(ran.stderr.contains("line 3 of bad: not a dead letter"), "{}", ran.stderr);
}

#[test]
fn retry_gives_each_letter_to_the_command_under_its_old_name() {
    let place = Place::new();
    with_letters(&place);
    let ids: Vec<_> = read(&place, "bad").lines().map(|line| json(line)["id"].clone()).collect();
    let show = "echo $PITON_CHUNK_ID $PITON_OFFSET $PITON_LENGTH $PITON_LINE $PITON_RECORDS; cat";
    let args = ["retry", "bad", "-o", "again", "--", "/bin/sh", "-c", show];
    let ran = place.piton(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let id = |at: usize| ids[at].as_str().unwrap();
    let wanted = format!("{} 4 4 3 2\n3\n4\n{} 12 4 7 2\n7\n8\n", id(0), id(1));
    assert_eq!(read(&place, "again"), wanted);
    assert!(place.piton(&args).stderr.contains("nothing to do"));
}

#[test]
fn what_fails_again_is_a_letter_of_the_same_record() {
    let place = Place::new();
    numbers(&place, "n", 5);
    let each = ["each", "n", "-o", "out", "--dead-letter", "bad", "--", "/bin/false"];
    assert_eq!(place.piton(&each).code, 13);
    let shell = fails_for("3");
    let head = ["retry", "bad", "--append", "out", "--dead-letter", "worse"];
    let ran = place.piton(&[&head[..], &["--", "/bin/sh", "-c", &shell, "x", "{}"]].concat());
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert_eq!(read(&place, "out"), "1\n2\n4\n5\n");
    let (was, now) =
        (json(read(&place, "bad").lines().nth(2).unwrap()), json(&read(&place, "worse")));
    for field in ["id", "offset", "length", "line", "data"] {
        assert_eq!(was[field], now[field], "{field}");
    }
    assert_eq!((&was["attempts"], &now["attempts"]), (&1.into(), &2.into()));
    // Without a place for letters it stops at the first.
    let ran = place.piton(&["retry", "worse", "-o", "o3", "--", "/bin/false"]);
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(place.path("o3.part").exists());
}

#[test]
fn retry_resumes_where_it_was_killed() {
    let place = Place::new();
    numbers(&place, "n", 5);
    let each = ["each", "n", "-o", "out", "--dead-letter", "bad", "--", "/bin/false"];
    assert_eq!(place.piton(&each).code, 13);
    let shell = "echo $1 >> ran; if test $1 = 3 && ! test -e go; then kill -9 $PPID; fi; echo $1";
    let args = ["retry", "bad", "-j", "1", "-o", "again", "--", "/bin/sh", "-c", shell, "x", "{}"];
    let killed = place.command(&args).output().unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
    place.write("go", b"");
    let ran = place.piton(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(read(&place, "again"), "1\n2\n3\n4\n5\n");
    // What is printed before: those that run, and one whose result is not saved yet.
    let again = read(&place, "ran").lines().count() - 5;
    assert!((1..=2).contains(&again), "{}", read(&place, "ran"));
}

#[test]
fn a_chunk_has_no_place_in_an_argument() {
    let place = Place::new();
    with_letters(&place);
    let ran = place.piton(&["retry", "bad", "-o", "again", "--", "/bin/echo", "{}"]);
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(ran.stderr.contains("the letter has 2 records"), "{}", ran.stderr);
}

#[test]
fn a_list_and_letters_are_told_apart() {
    let place = Place::new();
    with_letters(&place);
    place.write("list", b"http://127.0.0.1:1/a\n");
    place.write("empty", b"");
    for (args, says) in [
        (&["retry", "list", "-o", "x", "--", "/bin/cat"][..], "list holds no dead letters"),
        (&["retry", "empty", "-o", "x", "--", "/bin/cat"], "empty holds no dead letters"),
        (&["retry", "missing", "-o", "x", "--", "/bin/cat"], "missing holds no dead letters"),
        (&["retry", "bad"], "bad holds dead letters, which need a CMD"),
        (&["retry", "list", "-o", "x"], "the options under Dead letters need a CMD"),
        (&["retry", "bad", "--class", "404", "--", "/bin/cat"], "--class"),
        (&["retry", "bad", "--dead-letter", "bad", "--", "/bin/cat"], "to another file"),
        (&["failures", "bad", "--class", "404"], "--class"),
    ] {
        let ran = place.piton(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
}
