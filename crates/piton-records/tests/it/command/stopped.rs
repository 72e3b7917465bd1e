//! Commands that are ended: by their time limit, and by a stop.

use std::time::{Duration, Instant};

use piton_records::command::{Ended, GRACE, Ran};

use super::{Bench, wait_for_end_of, wait_until};

/// Says that it runs, with a child of its own, and does not end.
const ENDLESS: &str = "sleep 1000 & echo $! > \"$1/child\"; echo $$ > \"$1/pid\"; echo x; wait";
/// The same, and both ignore SIGTERM.
const STUBBORN: &str = "trap '' TERM; (while :; do sleep 1; done) & echo $! > \"$1/child\"; echo $$ > \"$1/pid\"; echo x
    while :; do sleep 1; done";

fn assert_ended(bench: &Bench) {
    for name in ["pid", "child"] {
        wait_for_end_of(&bench.path(name));
    }
}

/// Runs it, and does something as soon as it runs.
fn stopped_by(bench: &Bench, script: &str, stop: impl FnOnce(&Bench) + Send) -> Ran {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pid = bench.path("pid");
            let runs = || std::fs::read(&pid).is_ok_and(|pid| pid.ends_with(b"\n"));
            wait_until("it runs", runs);
            stop(bench);
        });
        bench.sh(script, Some(&vec![b'x'; 3 << 20]))
    })
}

#[test]
fn a_timeout_ends_the_command_and_its_children() {
    let mut bench = Bench::new();
    bench.timeout = Duration::from_millis(500);
    let ran = bench.sh(ENDLESS, Some(b"in"));
    assert_eq!((ran.ended, ran.output.len()), (Ended::TimedOut, 0));
    assert!(ran.took >= bench.timeout && ran.took < GRACE, "{:?}", ran.took);
    assert_ended(&bench);
}

#[test]
fn what_ignores_the_request_is_killed_after_a_while() {
    let mut bench = Bench::new();
    bench.timeout = Duration::from_millis(300);
    let ran = bench.sh(STUBBORN, None);
    assert_eq!(ran.ended, Ended::TimedOut);
    assert!(ran.took >= GRACE && ran.took < GRACE * 4, "{:?}", ran.took);
    assert_ended(&bench);
}

#[test]
fn children_that_closed_their_output_and_ignore_the_request_are_killed() {
    let mut bench = Bench::new();
    bench.timeout = Duration::from_millis(300);
    let child =
        "(trap '' TERM; exec > /dev/null 2>&1; while :; do sleep 1; done) & echo $! > \"$1/child\"";
    let ran = bench.sh(&format!("{child}; echo $$ > \"$1/pid\"; exec sleep 1000"), None);
    assert_eq!(ran.ended, Ended::TimedOut);
    assert!(ran.took < GRACE, "{:?}", ran.took);
    assert_ended(&bench);
}

#[test]
fn one_that_ends_well_when_it_is_asked_to_was_ended_still() {
    let bench = Bench::new();
    let script = "trap 'echo mark > \"$1/mark\"; exit 0' TERM; echo $$ > \"$1/pid\"; while :; do sleep 0.05; done";
    let ran = stopped_by(&bench, script, |bench| bench.stop.stop());
    assert_eq!((ran.ended, ran.output.len()), (Ended::Stopped, 0));
    assert!(bench.path("mark").exists(), "it had no time for it");
    assert!(ran.took < GRACE, "{:?}", ran.took);
}

#[test]
fn a_command_that_is_ended_never_sees_an_end_of_its_input() {
    let mut bench = Bench::new();
    bench.timeout = Duration::from_millis(500);
    // It reads on, whatever it is asked, and reports an end of the input.
    let script = "trap '' TERM; sleep 1; cat > /dev/null; echo mark > \"$1/mark\"; sleep 1";
    let ran = bench.sh(script, Some(&vec![b'x'; 8 << 20]));
    assert_eq!(ran.ended, Ended::TimedOut);
    assert!(!bench.path("mark").exists(), "it took a part for the whole");
}

#[test]
fn a_stop_ends_all_commands_at_once_and_none_starts_any_more() {
    let bench = Bench::new();
    let others: Vec<Bench> = (0..4)
        .map(|_| {
            let mut other = Bench::new();
            other.stop = bench.stop.clone();
            other
        })
        .collect();
    std::thread::scope(|scope| {
        for other in &others {
            scope.spawn(|| {
                assert_eq!(other.sh(ENDLESS, None).ended, Ended::Stopped);
                assert_ended(other);
            });
        }
        for other in &others {
            wait_until("it runs", || other.path("pid").exists());
        }
        bench.stop.stop();
    });
    let ran = bench.sh("touch \"$1/mark\"", None);
    assert_eq!((ran.ended, ran.took), (Ended::Stopped, Duration::ZERO));
    bench.assert_empty();
}

#[test]
fn a_hard_stop_kills_what_ignores_everything() {
    let bench = Bench::new();
    let ran = stopped_by(&bench, STUBBORN, |bench| bench.stop.kill());
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(ran.took < GRACE, "{:?}", ran.took);
    assert_ended(&bench);
}

#[test]
fn a_hard_stop_after_a_soft_one_does_not_wait() {
    let bench = Bench::new();
    let mut asked = None;
    let ran = stopped_by(&bench, STUBBORN, |bench| {
        bench.stop.stop();
        std::thread::sleep(Duration::from_millis(300));
        asked = Some(Instant::now());
        bench.stop.kill();
    });
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(asked.unwrap().elapsed() < GRACE - Duration::from_millis(300));
    assert_ended(&bench);
}

#[test]
fn a_suspended_command_is_ended_too() {
    let bench = Bench::new();
    let script = "echo $$ > \"$1/pid\"; echo $$ > \"$1/child\"; kill -STOP $$; sleep 1000";
    let ran = stopped_by(&bench, script, |bench| {
        let pid = std::fs::read_to_string(bench.path("pid")).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        wait_until("it is suspended", || std::fs::read_to_string(&stat).unwrap().contains(") T "));
        bench.stop.stop();
    });
    assert_eq!(ran.ended, Ended::Stopped);
    assert!(ran.took < GRACE, "{:?}", ran.took);
    assert_ended(&bench);
}
