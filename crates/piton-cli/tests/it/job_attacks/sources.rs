//! Sources that are not what was read before.

use crate::command::{Place, Ran};

use super::{lines, place, read, run, says};

/// Stops at byte 40, until a file says that it may go on.
const STOPS: &str = "[ -e go ] || [ $PITON_OFFSET -lt 40 ] || exit 1; cat";

const OUT: [&str; 6] = ["lines", "in", "--chunk", "8", "-o", "out"];

/// A job that has stopped in the middle, and may go on.
fn stopped(input: &[u8], arguments: &[&str]) -> Place {
    let place = place(input);
    says(&run(&place, arguments, STOPS), 13, "exit code 1");
    place.write("go", b"");
    place
}

fn refused(input: &[u8], now: &[u8], text: &str) {
    let place = stopped(input, &OUT);
    place.write("in", now);
    says(&run(&place, &OUT, STOPS), 10, text);
    assert!(!place.path("out").exists());
    // Nothing was done about it: with the right source it continues.
    place.write("in", input);
    says(&run(&place, &OUT, STOPS), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), input);
}

#[test]
fn another_file_is_refused() {
    let input = lines(30);
    let other: Vec<u8> =
        input.iter().map(|byte| if *byte == b'1' { b'x' } else { *byte }).collect();
    refused(&input, &other, "are not those that were read");
}

#[test]
fn a_shorter_one_is_refused() {
    let input = lines(30);
    refused(&input, &input[..60], "it had 160 bytes and has 60 now");
    refused(&input, &input[..20], "it has only 20 bytes");
}

/// The first 64 KiB are the same.
#[test]
fn one_with_an_equal_head_is_refused() {
    let long = |text: &str| {
        let filler = (0..2000).flat_map(|n| format!("{n} {}\n", "f".repeat(40)).into_bytes());
        [filler.collect::<Vec<u8>>(), text.repeat(1000).into_bytes()].concat()
    };
    let (input, other) = (long("old\n"), long("new\n"));
    let place = place(&input);
    let stops = "[ -e go ] || [ $PITON_OFFSET -lt 90000 ] || exit 1; cat";
    let arguments = ["lines", "in", "--chunk", "1000", "-o", "out"];
    says(&run(&place, &arguments, stops), 13, "exit code 1");
    place.write("in", &other);
    place.write("go", b"");
    says(&run(&place, &arguments, stops), 10, "bytes before byte");
}

#[test]
fn what_was_appended_is_processed_if_that_is_accepted() {
    let (input, longer) = (lines(30), lines(41));
    for order in [&[][..], &["--unordered"]] {
        let arguments = [&OUT[..], order].concat();
        let place = stopped(&input, &arguments);
        place.write("in", &longer);
        says(&run(&place, &arguments, STOPS), 10, "it grew from 160 to 226 bytes");
        let accepting = [&arguments[..], &["--accept-append"]].concat();
        says(&run(&place, &accepting, STOPS), 0, "done");
        let (mut out, mut wanted) =
            (read(&place, "out"), String::from_utf8(longer.clone()).unwrap());
        for text in [&mut out, &mut wanted] {
            let mut sorted: Vec<_> = text.lines().collect();
            sorted.sort_unstable();
            *text = sorted.join("\n");
        }
        assert_eq!(out, wanted, "{order:?}");
        assert!(!order.is_empty() || read(&place, "out").as_bytes() == longer);
    }
}

/// The last chunk, a short one, was finished before the source grew; the first one was not.
#[test]
fn what_was_appended_behind_a_chunk_that_is_done_is_processed_too() {
    let (input, longer) = (lines(10), lines(13));
    let script = "[ -e go ] || [ $PITON_OFFSET != 0 ] || exit 1; cat";
    let arguments = ["lines", "in", "--chunk", "12", "-o", "out"];
    let place = place(&input);
    // The first chunk fails at its second attempt: those behind it are done by then.
    let first = [&arguments[..], &["--jobs", "3", "--retry-on", "1", "--retries", "1"]].concat();
    says(&run(&place, &first, script), 13, "exit code 1");
    place.write("in", &longer);
    place.write("go", b"");
    says(&run(&place, &[&arguments[..], &["--accept-append"]].concat(), script), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), longer);
}

#[test]
fn in_any_order_too() {
    let (input, longer) = (lines(10), lines(13));
    let script = "[ -e go ] || [ $PITON_OFFSET != 0 ] || { sleep 0.3; exit 1; }; cat; echo $PITON_OFFSET >> ran";
    let arguments = ["lines", "in", "--chunk", "12", "-o", "out", "--unordered", "--jobs", "2"];
    let place = place(&input);
    says(&run(&place, &arguments, script), 13, "exit code 1");
    place.write("in", &longer);
    place.write("go", b"");
    says(&run(&place, &[&arguments[..], &["--accept-append"]].concat(), script), 0, "done");
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let out = read(&place, "out");
    assert_eq!(sorted(&out), sorted(std::str::from_utf8(&longer).unwrap()));
    // No chunk ran twice, the last and short one of before neither.
    let mut ran: Vec<_> = read(&place, "ran").lines().map(str::to_owned).collect();
    let all = ran.len();
    ran.sort();
    ran.dedup();
    assert_eq!(all, ran.len(), "{ran:?}");
}

#[test]
fn the_header_is_written_once_and_first() {
    let header = |place: &Place| read(place, "out").lines().next().map(str::to_owned);
    // The first chunk is finished last.
    let place = place(b"h\n1\n2\n3\n4\n");
    let arguments =
        ["lines", "in", "--header", "--chunk", "2", "-o", "out", "--jobs", "3", "--unordered"];
    says(&run(&place, &arguments, "[ $PITON_LINE != 2 ] || sleep 0.3; cat"), 0, "done");
    assert_eq!(header(&place).as_deref(), Some("h"));
    let mut out: Vec<_> = read(&place, "out").lines().map(str::to_owned).collect();
    out.sort();
    assert_eq!(out, ["1", "2", "3", "4", "h"]);
    // It has no result.
    let place = self::place(b"h\n1\n2\n3\n4\n");
    let arguments =
        ["lines", "in", "--header", "--chunk", "2", "-o", "out", "--dead-letter", "bad"];
    says(&run(&place, &arguments, "[ $PITON_LINE != 2 ] || exit 1; cat"), 13, "1 record failed");
    assert_eq!(read(&place, "out"), "h\n2\n3\n4\n");
}

#[test]
fn a_command_that_writes_no_header_loses_no_line_to_it() {
    let place = place(b"h\n1\n2\n3\n4\n");
    let arguments = ["lines", "in", "--header", "--chunk", "2", "-o", "out", "--jobs", "1"];
    says(&run(&place, &arguments, "grep '[0-9]'"), 13, "begins with another header");
    assert_eq!(read(&place, "out.part"), "1\n");
}

#[test]
fn what_is_read_is_not_written_to() {
    let place = place(b"1\n2\n");
    for arguments in [
        &["lines", "in", "--append", "in"][..],
        &["lines", "in", "-o", "out", "--dead-letter", "in"],
    ] {
        says(&run(&place, arguments, "cat"), 2, "is the source");
        assert_eq!(read(&place, "in"), "1\n2\n");
    }
}

#[test]
fn a_finished_output_that_was_removed_is_missed() {
    let place = place(b"1\n");
    says(&run(&place, &OUT, "cat"), 0, "done");
    std::fs::remove_file(place.path("out")).unwrap();
    says(&run(&place, &OUT, "cat"), 3, "out is gone");
}

#[test]
fn a_mistyped_command_or_source_leaves_nothing_behind() {
    let place = place(b"1\n");
    for words in [
        &["lines", "in", "-o", "out", "--", "no-such-program"][..],
        &["lines", "in", "-o", "out", "--", "./in"],
        &["lines", "in", "-o", "out", "--", "/"],
        &["each", "none", "-o", "out", "--", "true"],
        &["lines", ".", "-o", "out", "--", "true"],
    ] {
        let ran: Ran = place.command(words).output().unwrap().into();
        assert_eq!(ran.code, 3, "{words:?}: {ran:?}");
        let left: Vec<_> = std::fs::read_dir(place.dir.path())
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with("out"))
            .collect();
        assert!(left.is_empty(), "{words:?}: {left:?}");
    }
    says(&run(&place, &["lines", "in", "-o", "out"], "cat"), 0, "done");
}

#[test]
fn a_last_line_that_grew_is_refused() {
    let input = lines(30);
    let place = place(&input[..input.len() - 1]);
    says(&run(&place, &OUT, "cat"), 0, "done");
    place.write("in", &[&input[..input.len() - 1], b"7\n"].concat());
    says(
        &run(&place, &[&OUT[..], &["--accept-append"]].concat(), "cat"),
        10,
        "its last record ended",
    );
}

#[test]
fn a_touched_one_and_a_copy_elsewhere_continue() {
    let input = lines(30);
    let place = stopped(&input, &OUT);
    let file = std::fs::File::options().append(true).open(place.path("in")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    place.write("elsewhere/copy", &input);
    let arguments = ["lines", "elsewhere/copy", "--chunk", "8", "-o", "out"];
    says(&run(&place, &arguments, STOPS), 0, "done");
    assert_eq!(read(&place, "out").as_bytes(), input);
}

#[test]
fn a_state_in_the_source_is_refused() {
    let place = place(b"1\n");
    for state in ["json:in", "file:./in", "sqlite:in?job=x"] {
        let arguments = ["lines", "in", "-o", "out", "--restart", "--state", state];
        says(&run(&place, &arguments, "cat"), 2, "--state names the file that is read");
        assert_eq!(read(&place, "in"), "1\n");
    }
}

/// As `logtail`: nothing is lost between two rotations without a word.
#[test]
fn a_log_that_was_rotated_is_printed_to_its_end() {
    let place = place(b"");
    let printed = |wanted: &str| {
        let ran: Ran = place.command(&["lines", "log"]).output().unwrap().into();
        assert_eq!((ran.code, ran.stdout.as_str()), (0, wanted), "{ran:?}");
        ran.stderr
    };
    let rotate = |from: &str, to: &str| {
        std::fs::rename(place.path(from), place.path(to)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    place.write("log", b"");
    printed("");
    place.write("log", b"a\n");
    rotate("log", "log.1");
    // The new one begins as the old one does.
    place.write("log", b"a\nb\n");
    assert_eq!(printed("a\na\nb\n"), "");
    let mut log = std::fs::File::options().append(true).open(place.path("log")).unwrap();
    std::io::Write::write_all(&mut log, b"half").unwrap();
    printed("");
    rotate("log.1", "log.2");
    rotate("log", "log.1");
    place.write("log", b"c\n");
    printed("half\nc\n");
    // Twice since the last run.
    rotate("log", "log.3");
    place.write("log", b"d\n");
    rotate("log", "log.4");
    place.write("log", b"e\n");
    assert!(printed("e\n").contains("log.4 was rotated too"));
}
