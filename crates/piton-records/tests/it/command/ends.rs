//! How commands end by themselves.

use std::time::Duration;

use piton_records::command::{Ended, LINGER};

use super::{Bench, bytes, text, wait_for_end_of};

/// Larger than any pipe.
fn large() -> Vec<u8> {
    b"0123456789abcde\n".repeat(5 << 16)
}

#[test]
fn the_exit_code_decides() {
    let bench = Bench::new();
    for code in [0, 1, 75, 255] {
        let ran = bench.sh(&format!("cat; exit {code}"), Some(b"in"));
        assert_eq!((ran.ended, text(&ran.output)), (Ended::Code(code), "in".to_owned()));
        assert_eq!(ran.ended.is_success(), code == 0);
    }
}

#[test]
fn one_that_writes_half_a_line_and_dies_of_a_signal_has_failed() {
    for signal in [15, 9, 11] {
        let ran = Bench::new().sh(&format!("printf 'half a'; kill -{signal} $$"), Some(&large()));
        assert_eq!((ran.ended, text(&ran.output)), (Ended::Signal(signal), "half a".to_owned()));
        assert!(!ran.ended.is_success());
    }
}

#[test]
fn one_that_does_not_read_its_input_is_judged_by_its_exit_code() {
    let bench = Bench::new();
    for input in [&large()[..], b"short", b""] {
        for (script, ended) in [
            ("exit 0", Ended::Code(0)),
            ("exec <&-; sleep 0.2; exit 0", Ended::Code(0)),
            ("head -c 5 > /dev/null", Ended::Code(0)),
            ("sleep 0.2; exit 3", Ended::Code(3)),
        ] {
            assert_eq!(bench.sh(script, Some(input)).ended, ended, "{script}");
        }
    }
}

#[test]
fn it_gets_its_input_to_the_end_or_none() {
    let bench = Bench::new();
    for len in [0, 1, 4095, 4096, 4097, 65536, 65537, 1 << 20, 5 << 20] {
        let ran = bench.run(&["wc", "-c"], Some(&large()[..len])).unwrap();
        assert_eq!(text(&ran.output).trim(), len.to_string());
    }
    let ran = bench.sh("readlink /proc/self/fd/0; cat", None);
    assert_eq!(text(&ran.output), "/dev/null\n");
}

#[test]
fn one_that_closes_its_output_early_is_waited_for() {
    let bench = Bench::new();
    let ran = bench.sh("echo out; exec >&- 2>&-; sleep 0.3; echo done > \"$1/mark\"", None);
    assert_eq!((ran.ended, text(&ran.output)), (Ended::Code(0), "out\n".to_owned()));
    assert!(bench.path("mark").exists());
    assert!(ran.took >= Duration::from_millis(300), "{:?}", ran.took);
}

#[test]
fn one_that_leaves_its_output_open_has_failed_and_what_it_left_is_killed() {
    let bench = Bench::new();
    // It writes on, so that each read finds something.
    let script = "(while sleep 0.01; do echo x; done) & echo $! > \"$1/pid\"; echo out; exit";
    let ran = bench.sh(&format!("{script} 0"), None);
    assert_eq!(ran.ended, Ended::HeldOpen);
    assert!(ran.took >= LINGER && ran.took < LINGER * 20, "{:?}", ran.took);
    wait_for_end_of(&bench.path("pid"));
    // One that never writes is not ended by SIGPIPE.
    let ran = bench.sh("sleep 1000 & echo $! > \"$1/pid\"; echo out", None);
    assert_eq!(ran.ended, Ended::HeldOpen);
    wait_for_end_of(&bench.path("pid"));
    // Its own code says more.
    assert_eq!(bench.sh(&format!("{script} 7"), None).ended, Ended::Code(7));
    wait_for_end_of(&bench.path("pid"));
}

#[test]
fn what_children_write_shortly_after_its_end_counts() {
    let bench = Bench::new();
    let ran = bench.sh("(sleep 0.2; echo late) & echo early", None);
    assert_eq!((ran.ended, text(&ran.output)), (Ended::Code(0), "early\nlate\n".to_owned()));
}

#[test]
fn a_daemon_that_has_closed_its_output_is_left_alone() {
    let bench = Bench::new();
    let ran = bench.sh("sleep 100 > /dev/null 2>&1 & echo $! > \"$1/pid\"; echo out", None);
    assert_eq!((ran.ended, text(&ran.output)), (Ended::Code(0), "out\n".to_owned()));
    assert!(ran.took < Duration::from_secs(100));
    // Only its errors are still open: that is no failure.
    let held = bench.sh("sleep 100 > /dev/null & echo $! > \"$1/pid2\"; echo out", None);
    assert_eq!((held.ended, text(&held.output)), (Ended::Code(0), "out\n".to_owned()));
    for name in ["pid", "pid2"] {
        let pid = std::fs::read_to_string(bench.path(name)).unwrap();
        let kill = std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
        assert!(kill.success(), "it had ended");
    }
}

#[test]
fn much_input_and_much_output_at_once_do_not_lock_up() {
    let (bench, input) = (Bench::new(), large());
    // It writes before it reads, more than pipes hold, on both streams.
    let script = "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; cat";
    let ran = bench.sh(script, Some(&input));
    assert_eq!(ran.ended, Ended::Code(0));
    let output = bytes(&ran.output);
    assert!(output[..5_000_000].iter().all(|byte| *byte == 0) && output[5_000_000..] == input);
}
