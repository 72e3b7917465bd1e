//! Commands that misbehave.

use std::time::{Duration, Instant};

use super::{letters, lines, place, read, run, says};

const OUT: [&str; 6] = ["lines", "in", "--chunk", "8", "-o", "out"];

/// With these options behind those of [`OUT`].
fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&OUT[..], more].concat()
}

/// Only the chunk at the start is bad; `good` is what the others do.
fn first(bad: &str) -> String {
    format!("if [ $PITON_OFFSET = 0 ]; then {bad}; else cat; fi")
}

/// What comes of a first chunk that fails for good: the job stops and says why, and continues when that is fixed.
fn stops(bad: &str, why: &str) {
    let place = place(&lines(10));
    let ran = run(&place, &OUT, &first(bad));
    says(&ran, 13, why);
    assert!(ran.stderr.contains("record 1") || ran.stderr.contains("records 1"), "{ran:?}");
    assert!(!place.path("out").exists());
    let fixed = run(&place, &with(&["--accept-command"]), "cat");
    says(&fixed, 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), lines(10));
}

#[test]
fn one_that_dies_by_a_signal() {
    stops("kill -SEGV $$", "signal 11");
}

#[test]
fn one_that_writes_half_a_line_and_fails() {
    stops("printf half; exit 4", "exit code 4");
}

#[test]
fn one_whose_children_hold_its_output_open() {
    stops("cat; sleep 60 & exit 0", "left a process behind");
}

#[test]
fn one_that_never_reads_its_input_succeeds() {
    // More than a pipe holds.
    let input = lines(200_000);
    let place = place(&input);
    let ran = run(&place, &["lines", "in", "-o", "out"], "echo $PITON_LINE");
    says(&ran, 0, "done");
    assert_eq!(read(&place, "out").lines().next(), Some("1"));
    assert_eq!(read(&place, "out").lines().count(), input.len() / (1 << 20) + 1);
}

#[test]
fn one_that_closes_its_output_early_is_waited_for() {
    let place = place(&lines(4));
    let script = "cat; exec >&-; sleep 0.2; echo \"$PITON_LINE\" >> ended; exit $([ $PITON_LINE = 1 ] && echo 5 || echo 0)";
    let ran = run(&place, &with(&["--dead-letter", "dead"]), script);
    says(&ran, 13, "failed");
    assert_eq!(read(&place, "ended").lines().count(), 2);
    assert_eq!(letters(&place, "dead").len(), 1);
    assert_eq!(read(&place, "out"), "2 2\n3 3\n");
}

#[test]
fn exit_code_75_is_tried_again() {
    let place = place(&lines(4));
    let script = "echo $PITON_ATTEMPT $PITON_CHUNK_ID >> tries; printf half; \
                  [ $PITON_ATTEMPT -ge 3 ] || exit 75; cat";
    let ran = run(&place, &["lines", "in", "-o", "out"], script);
    says(&ran, 0, "done");
    assert_eq!(read(&place, "out"), "half0 0\n1 1\n2 2\n3 3\n");
    let tries = read(&place, "tries");
    let tries: Vec<_> = tries.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(tries.iter().map(|it| it.0).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(tries.iter().all(|it| it.1 == tries[0].1), "{tries:?}");
}

#[test]
fn codes_of_retry_on_are_tried_again_and_others_are_not() {
    let place = place(&lines(2));
    let script = "echo x >> tries; exit 7";
    let arguments = ["lines", "in", "-o", "out", "--retries", "1"];
    says(&run(&place, &arguments, script), 13, "exit code 7");
    assert_eq!(read(&place, "tries"), "x\n");
    let ran = run(&place, &[&arguments[..], &["--retry-on", "6,7"]].concat(), script);
    says(&ran, 13, "after 2 attempts");
    assert_eq!(read(&place, "tries"), "x\n".repeat(3));
}

#[test]
fn one_that_takes_too_long_is_ended_with_its_children() {
    let place = place(&lines(4));
    let script = first("echo $$ > leader; sleep 61 & wait");
    let began = Instant::now();
    let more = with(&["--timeout", "300ms", "--retries", "0", "--dead-letter", "dead"]);
    says(&run(&place, &more, &script), 13, "failed");
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(letters(&place, "dead")[0].error.contains("too long"));
    assert_eq!(read(&place, "out"), "2 2\n3 3\n");
    let leader = read(&place, "leader");
    assert!(!std::path::Path::new("/proc").join(leader.trim()).exists());
}

#[test]
fn two_hundred_megabytes_for_one_chunk() {
    let place = place(&lines(6));
    // The large one waits for its turn: it passes through the temporary file, the spool and the output.
    let script =
        "case $PITON_OFFSET in 0) sleep 0.5; cat;; 8) head -c 200000000 /dev/zero;; *) cat;; esac";
    let ran = run(&place, &with(&["--jobs", "3"]), script);
    says(&ran, 0, "done");
    let out = std::fs::read(place.path("out")).unwrap();
    assert_eq!(out.len(), 200_000_000 + 16);
    assert!(out.starts_with(b"0 0\n1 1\n\0\0") && out.ends_with(b"\0\x004 4\n5 5\n"));
    assert!(out[8..out.len() - 8].iter().all(|byte| *byte == 0));
    assert!(!place.path("out.piton-spool").exists());
}

#[test]
fn one_that_cannot_be_started() {
    let place = place(&lines(2));
    for (command, text) in [("no-such-command", "no-such-command"), (".", "."), ("./in", "in")] {
        let arguments = ["lines", "in", "-o", "out", "--accept-command", "--", command];
        let ran = place.command(&arguments).env("PATH", "/usr/bin:/bin").output().unwrap().into();
        says(&ran, 3, text);
        assert!(!place.path("out").exists());
    }
}

#[test]
fn more_failures_than_allowed_stop_the_job() {
    let place = place(&lines(20));
    let more = |limit| with(&["--dead-letter", "dead", "--max-failures", limit, "--jobs", "1"]);
    let script = "[ $((PITON_LINE % 4)) = 1 ] && exit 1; cat";
    says(&run(&place, &more("3"), script), 13, "more than allowed");
    let letters_before = letters(&place, "dead").len();
    assert_eq!(letters_before, 2, "of two records each");
    says(&run(&place, &more("100"), script), 13, "records failed");
    assert_eq!(letters(&place, "dead").len(), 5);
    assert_eq!(read(&place, "out").lines().count(), 10);
}

#[test]
fn the_records_that_make_a_chunk_fail_are_found() {
    let place = place(&lines(16));
    let more = ["lines", "in", "-o", "out", "--dead-letter", "dead", "--split-failed"];
    says(&run(&place, &more, "sed '/^[59] /q1'"), 13, "2 records failed");
    let letters = letters(&place, "dead");
    let found: Vec<_> = letters.iter().map(|it| (it.line, it.data.as_deref().unwrap())).collect();
    assert_eq!(found, [(6, "5 5\n"), (10, "9 9\n")]);
    assert_eq!(read(&place, "out").lines().count(), 14);
}

#[test]
fn no_more_commands_start_than_the_rate_says() {
    let place = place(&lines(10));
    let began = Instant::now();
    says(&run(&place, &with(&["--rate", "5", "--jobs", "5"]), "cat"), 0, "done");
    // Five chunks, 0.2 s apart.
    assert!(began.elapsed() >= Duration::from_millis(790), "{:?}", began.elapsed());
}

#[test]
fn its_environment_tells_it_which_chunk_it_has() {
    let place = place(&lines(4));
    let script = "echo $PITON_CHUNK_ID $PITON_OFFSET $PITON_LENGTH $PITON_LINE $PITON_RECORDS $PITON_ATTEMPT";
    says(&run(&place, &OUT, script), 0, "done");
    let out = read(&place, "out");
    for (found, (offset, line)) in out.lines().zip([("0", "1"), ("8", "3")]) {
        let words: Vec<_> = found.split(' ').collect();
        assert!(words[0].starts_with(&format!("{offset}-")), "{words:?}");
        assert_eq!(words[1..], [offset, "8", line, "2", "1"]);
    }
    assert_eq!(out.lines().count(), 2);
}
