//! What is finished behind a slow chunk does not run again.

use std::time::{Duration, Instant};

use super::bench::{Bench, Shape, kill_session};
use super::{added, lines};

/// The first chunk waits for a file. When all others are finished, everything is killed.
fn slow_first(arguments: &[&str], in_spool: bool) {
    let (input, shape) = (lines(), Shape::new(arguments));
    let script = "[ $PITON_OFFSET != 0 ] || while [ ! -e go ]; do sleep 0.01; done; sed s/^/x:/";
    let bench = Bench::new(100, &input, shape, script);
    let mut child = bench.start(3);
    let until = Instant::now() + Duration::from_secs(120);
    let finished = || match in_spool {
        true => bench.spool().windows(8).filter(|it| it == b"PITONSP1").count(),
        false => bench.read("out.part").iter().filter(|byte| **byte == b'\n').count(),
    };
    let chunks = input.len() / 40;
    while finished() < (if in_spool { bench.runs().len().max(chunks / 2) - 1 } else { 230 }) {
        let over = child.try_wait().unwrap();
        let what = || format!("{over:?}, {} finished: {}", finished(), bench.text("stderr"));
        assert!(over.is_none() && Instant::now() < until, "{}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let before = bench.runs().len();
    kill_session(&mut child);
    assert!(!child.wait().unwrap().success());
    bench.write("go", b"");
    assert!(bench.start(2).wait().unwrap().success(), "{}", bench.text("stderr"));
    assert_eq!(bench.runs().len(), before, "all had run");
    assert_eq!(bench.repeated(), 1, "only the first one runs again");
    let (mut out, mut wanted) =
        (bench.text("out"), String::from_utf8(added(&input, b'\n')).unwrap());
    if !in_spool {
        for text in [&mut out, &mut wanted] {
            let mut lines: Vec<_> = text.lines().collect();
            lines.sort_unstable();
            *text = lines.join("\n");
        }
    }
    assert_eq!(out, wanted);
}

#[test]
fn a_chunk_in_the_spool_never_runs_again() {
    slow_first(&["lines", "in", "--chunk", "40", "-o", "out"], true);
}

#[test]
fn a_chunk_in_an_output_of_any_order_never_runs_again() {
    slow_first(&["lines", "in", "--chunk", "40", "-o", "out", "--unordered"], false);
}
