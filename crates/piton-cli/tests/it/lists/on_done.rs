//! `--on-done`.

use std::io::{BufRead, BufReader};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use super::Desk;
use super::killed::{start, wait_for};
use crate::command::Ran;

#[test]
fn a_command_runs_once_for_each_file_that_became_done() {
    let desk = Desk::new(3);
    let script = r#"echo "$1 $PITON_PATH $PITON_URL $PITON_SIZE" >> log; echo noise"#;
    let command = format!("sh -c '{script}' x");
    desk.list(&["/0", "/gone", "/1"]);
    let ran = desk.get(&["-d", "out", "--json", "--on-done", &command]);
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(!ran.stdout.contains("noise"), "stdout is data: {}", ran.stdout);
    desk.list(&["/0", "/2", "/1"]);
    let ran = desk.get(&["-d", "out", "--on-done", &command]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let log = std::fs::read_to_string(desk.place.path("log")).unwrap();
    let mut lines: Vec<_> = log.lines().collect();
    lines.sort_unstable();
    let expected: Vec<_> = (0..3)
        .map(|number| {
            let path = desk.place.path("out").canonicalize().unwrap().join(number.to_string());
            let url = desk.server.url(&format!("/{number}"));
            format!("{0} {0} {url} 4096", path.display())
        })
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn commands_that_fail_are_told_and_counted() {
    let desk = Desk::new(3);
    desk.list(&["/0", "/1", "/2"]);
    let ran = desk.get(&["--on-done", "sh -c 'test \"$PITON_SIZE\" = 1'"]);
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("sh ended with exit status: 1\n").count(), 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("  3 commands failed (--on-done)\n"), "{}", ran.stderr);
    desk.piton(&["forget", "list.txt"]);
    let ran = desk.get(&["--on-done", "no-such-program-anywhere"]);
    assert_eq!(ran.code, 14, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot run no-such-program-anywhere: "), "{}", ran.stderr);
}

#[test]
fn a_command_that_hangs_is_left_to_itself_by_a_signal() {
    let desk = Desk::new(1);
    desk.list(&["/0"]);
    // It ends when the folder of the test goes.
    let script = "touch begun; while [ -e begun ]; do sleep 0.1; done";
    let on_done = format!("sh -c '{script}'");
    let child = start(&desk.place, &["--on-done", &on_done]);
    wait_for(|| desk.place.path("begun").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ran: Ran = wait_with_output(child);
    assert_eq!(ran.code, 143, "{}", ran.stderr);
    assert!(ran.stderr.contains("1 item: 1 done"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/0 is still running\n"), "{}", ran.stderr);
}

/// Not to the end of what it wrote: the command that it left holds that open.
fn wait_with_output(mut child: Child) -> Ran {
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    while !stderr.contains("is still running\n") || !stderr.contains("1 done") {
        assert_ne!(lines.read_line(&mut stderr).unwrap(), 0, "{stderr}");
    }
    Ran { code: status.code().unwrap(), stdout: String::new(), stderr }
}
