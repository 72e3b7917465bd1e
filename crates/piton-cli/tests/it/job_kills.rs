//! kill -9 of jobs at random moments, resumed with another number of workers each time, more than ten times in a row.
//!
//! Each command notes that it runs, so what a kill costs is counted, and compared with what piton said before it began.
//! `PITON_TEST_SEED` draws other moments.

mod bench;
mod cost;

use std::collections::BTreeSet;

use self::bench::{Bench, Shape};

/// Kills of one job.
const KILLS: u64 = 11;

const ADD_X: &str = "sed s/^/x:/";

/// 240 lines in chunks of three, more or less.
fn lines() -> Vec<u8> {
    (0..240).flat_map(|n| format!("{n} {}\n", "y".repeat(n * 7 % 20)).into_bytes()).collect()
}

/// What [`ADD_X`] makes of it.
fn added(text: &[u8], end: u8) -> Vec<u8> {
    text.split_inclusive(|byte| *byte == end).flat_map(|line| [b"x:", line].concat()).collect()
}

fn sorted(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

#[test]
fn lines_into_a_file() {
    let (input, shape) = (lines(), Shape::new(&["lines", "in", "--chunk", "40", "-o", "out"]));
    for round in 0..2 {
        let bench = Bench::new(round, &input, shape, ADD_X);
        bench.kill_until_done(KILLS);
        assert!(bench.read("out") == added(&input, b'\n'), "{bench}");
        bench.nothing_else_is_left(&["out", "out.piton-job"]);
    }
}

/// Each result is so large that it has a commit of its own: kills come between those that waited for their turn.
#[test]
fn lines_in_chunks_as_large_as_they_are_by_default() {
    let line = |n: u32| format!("{n} {}\n", "y".repeat(1000)).into_bytes();
    let (input, shape) =
        ((0..24_000).flat_map(line).collect::<Vec<_>>(), Shape::new(&["lines", "in", "-o", "out"]));
    for round in 5..7 {
        let bench = Bench::new(round, &input, shape, "cat");
        bench.kill_until_done(5);
        assert!(bench.read("out") == input, "{bench}");
    }
}

#[test]
fn lines_behind_what_a_file_holds() {
    let (input, shape) =
        (lines(), Shape::new(&["lines", "in", "--chunk", "40", "--append", "out"]));
    let bench = Bench::new(10, &input, shape, ADD_X);
    bench.write("out", b"before\n");
    bench.kill_until_done(KILLS);
    assert!(bench.read("out") == [b"before\n", &added(&input, b'\n')[..]].concat(), "{bench}");
    bench.nothing_else_is_left(&["out", "out.piton-job"]);
}

#[test]
fn lines_behind_what_the_shell_appends_to() {
    let (input, shape) = (lines(), Shape::new(&["lines", "in", "--chunk", "40"]).stdout("out"));
    let bench = Bench::new(20, &input, shape, ADD_X);
    bench.write("out", b"before\n");
    bench.kill_until_done(KILLS);
    assert!(bench.read("out") == [b"before\n", &added(&input, b'\n')[..]].concat(), "{bench}");
    bench.nothing_else_is_left(&["out", "out.piton-job"]);
}

#[test]
fn lines_in_any_order() {
    let arguments = ["lines", "in", "--chunk", "40", "-o", "out", "--unordered"];
    let (input, shape) = (lines(), Shape::new(&arguments));
    for round in 30..32 {
        let bench = Bench::new(round, &input, shape, ADD_X);
        bench.kill_until_done(KILLS);
        assert!(sorted(&bench.read("out")) == sorted(&added(&input, b'\n')), "{bench}");
    }
}

#[test]
fn a_table_with_line_ends_in_quotes() {
    let input: Vec<u8> = (0..160)
        .flat_map(|n| format!("{n},\"a\n{}\"\"\n\",c\r\n", "z".repeat(n % 9)).into_bytes())
        .collect();
    let shape = Shape::new(&["lines", "in", "--csv", "--chunk", "50", "-o", "out"]);
    let bench = Bench::new(40, &input, shape, ADD_X);
    bench.kill_until_done(KILLS);
    assert!(bench.read("out") == added(&input, b'\n'), "{bench}");
}

#[test]
fn a_table_with_a_header() {
    let rows: Vec<u8> = (0..200).flat_map(|n| format!("{n},\"b\n{n}\"\n").into_bytes()).collect();
    let input = [b"\"number\nof\",text\n", &rows[..]].concat();
    let shape = Shape::new(&["lines", "in", "--csv", "--header", "--chunk", "30", "-o", "out"]);
    // The header stays as it is.
    let bench = Bench::new(50, &input, shape, "sed '1,2!s/^/x:/'");
    bench.kill_until_done(KILLS);
    let wanted = [b"\"number\nof\",text\n", &added(&rows, b'\n')[..]].concat();
    assert!(bench.read("out") == wanted, "{bench}");
}

#[test]
fn records_that_end_with_nul() {
    let input: Vec<u8> = (0..240).flat_map(|n| format!("{n}\nb\0").into_bytes()).collect();
    let shape = Shape::new(&["lines", "in", "--null", "--chunk", "20", "-o", "out"]);
    let bench = Bench::new(60, &input, shape, "sed -z s/^/x:/");
    bench.kill_until_done(KILLS);
    assert!(bench.read("out") == added(&input, 0), "{bench}");
}

#[test]
fn each_record_into_a_file() {
    let input: Vec<u8> = (0..100).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let shape = Shape::new(&["each", "in", "-o", "out"]);
    let bench = Bench::new(70, &input, shape, "echo \"x:$1\"");
    bench.kill_until_done(KILLS);
    assert!(bench.read("out") == added(&input, b'\n'), "{bench}");
}

/// Nothing but side effects counts.
#[test]
fn each_record_for_its_side_effects() {
    let input: Vec<u8> = (0..100).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let shape = Shape::new(&["each", "in"]).stdout("/dev/null");
    let bench = Bench::new(80, &input, shape, "echo \"$1\" >> effects");
    bench.kill_until_done(KILLS);
    let effects = bench.read("effects");
    let met: BTreeSet<_> = effects.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(met, input.split_inclusive(|byte| *byte == b'\n').collect(), "{bench}");
}

#[test]
fn dead_letters() {
    let input: Vec<u8> = (0..240)
        .flat_map(|n| format!("{n}{}\n", if n % 30 == 7 { " bad" } else { "" }).into_bytes())
        .collect();
    for (round, split) in [(90, false), (91, true)] {
        let mut arguments =
            vec!["lines", "in", "--chunk", "12", "-o", "out", "--dead-letter", "dead"];
        arguments.extend(split.then_some("--split-failed"));
        // A chunk of three records: all of it, its halves, and theirs.
        let shape = Shape::new(&arguments).each(if split { 5 } else { 1 });
        let bench = Bench::new(round, &input, shape, "sed 's/^/x:/; /bad/q1'");
        bench.kill_until_done(KILLS);
        let letters = bench.letters("dead");
        assert_eq!(letters.len(), 8, "{bench}");
        let starts: BTreeSet<_> = letters.iter().map(|letter| letter.offset).collect();
        assert_eq!(starts.len(), 8, "each once: {bench}");
        let dead: Vec<u8> = letters.iter().flat_map(|letter| letter.bytes().unwrap()).collect();
        assert!(!split || letters.iter().all(|letter| letter.records == 1), "{bench}");
        let both = [bench.read("out"), added(&dead, b'\n')].concat();
        assert!(sorted(&both) == sorted(&added(&input, b'\n')), "{bench}");
    }
}
