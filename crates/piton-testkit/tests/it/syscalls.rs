//! The syscall driver lands where it says.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use piton_testkit::syscalls::{
    self, Action, Ended, Errno, Outcome, Plan, Program, Scope, run, sweep,
};
use tempfile::TempDir;

use crate::child::{CONTENT, program};

const LIMIT: Duration = Duration::from_secs(20);

/// The steps of the child's `replace`.
const STEPS: [&str; 6] = ["openat", "pwrite64", "fdatasync", "rename", "openat", "fsync"];

macro_rules! skip_unless_available {
    () => {
        if let Err(reason) = syscalls::available() {
            piton_testkit::skip(reason);
            return;
        }
    };
}

/// Runs a role in a new directory with one plan.
fn one(role: &str, plan: Option<Plan>) -> (TempDir, Outcome) {
    let dir = TempDir::new().unwrap();
    let outcome = run(&program(role, dir.path()), dir.path(), plan, LIMIT).unwrap();
    (dir, outcome)
}

fn at(at: u64, action: Action) -> Option<Plan> {
    Some(Plan { at, action })
}

/// What is on disk after this many steps of `replace`: name and length.
fn after_steps(steps: usize) -> Option<(&'static str, u64)> {
    match steps {
        0 => None,
        1 => Some(("file.tmp", 0)),
        2 | 3 => Some(("file.tmp", 8192)),
        _ => Some(("file", 8192)),
    }
}

fn on_disk(dir: &Path) -> Option<(String, u64)> {
    let mut entries = fs::read_dir(dir).unwrap();
    let entry = entries.next()?.unwrap();
    assert!(entries.next().is_none(), "more than one file");
    Some((entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
}

fn assert_steps(dir: &Path, steps: usize) {
    let expected = after_steps(steps).map(|(name, length)| (name.to_owned(), length));
    assert_eq!(on_disk(dir), expected, "after {steps} steps");
}

#[test]
fn counts_the_files_of_all_threads_and_nothing_else() {
    skip_unless_available!();
    for _ in 0..5 {
        let (dir, outcome) = one("threads", None);
        assert_eq!((outcome.ended, outcome.counted, outcome.hit), (Ended::Exit(0), 12, None));
        assert_eq!(fs::read(dir.path().join("other")).unwrap(), CONTENT);
    }
}

#[test]
fn counts_reads_if_asked() {
    skip_unless_available!();
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "text").unwrap();
    let cat = Program::new("cat").arg("file").current_dir(dir.path());
    let counted = |scope: Scope| {
        let outcome = run(&cat, scope, None, LIMIT).unwrap();
        assert_eq!(outcome.stdout, b"text");
        outcome.counted
    };
    assert_eq!(counted(dir.path().into()), 1, "the open");
    assert_eq!(
        counted(Scope::below(dir.path()).with_reads()),
        3,
        "and two reads, the last of which finds the end"
    );
}

#[test]
fn sees_through_links_on_the_way() {
    skip_unless_available!();
    let dir = TempDir::new().unwrap();
    let real = dir.path().join("real");
    let link = dir.path().join("link");
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    let by_link = run(&program("replace", &link), &real, None, LIMIT).unwrap();
    let of_link = run(&program("replace", &real), &link, None, LIMIT).unwrap();
    assert_eq!((by_link.counted, of_link.counted), (6, 6));
}

#[test]
fn follows_the_processes_that_a_program_starts() {
    skip_unless_available!();
    let dir = TempDir::new().unwrap();
    let shell = Program::new("sh")
        .args(["-c", "(echo one > one); cp one two; mkdir three; echo done"])
        .current_dir(dir.path());
    let untouched = run(&shell, dir.path(), None, LIMIT).unwrap();
    assert_eq!((untouched.ended, untouched.stdout.as_slice()), (Ended::Exit(0), &b"done\n"[..]));

    fs::remove_file(dir.path().join("two")).unwrap();
    fs::remove_dir(dir.path().join("three")).unwrap();
    let last = at(untouched.counted, Action::KillBefore);
    let killed = run(&shell, dir.path(), last, LIMIT).unwrap();
    assert_eq!(killed.hit.unwrap().name, "mkdir");
    assert_eq!((killed.ended, killed.stdout.as_slice()), (Ended::Killed, &b""[..]));
    assert!(dir.path().join("two").exists() && !dir.path().join("three").exists());
}

#[test]
fn kills_before_each_step() {
    skip_unless_available!();
    for n in 1..=STEPS.len() {
        let (dir, outcome) = one("replace", at(n as u64, Action::KillBefore));
        assert_eq!(outcome.ended, Ended::Killed);
        assert_eq!(outcome.hit.unwrap().name, STEPS[n - 1]);
        assert_steps(dir.path(), n - 1);
    }
}

#[test]
fn kills_after_each_step() {
    skip_unless_available!();
    for n in 1..=STEPS.len() {
        let (dir, outcome) = one("replace", at(n as u64, Action::KillAfter));
        assert_eq!(outcome.ended, Ended::Killed);
        assert_eq!(outcome.hit.unwrap().name, STEPS[n - 1]);
        assert_steps(dir.path(), n);
    }
}

#[test]
fn kills_half_way_through_a_write() {
    skip_unless_available!();
    let (dir, outcome) = one("replace", at(2, Action::KillHalfway));
    assert_eq!(outcome.ended, Ended::Killed);
    let hit = outcome.hit.unwrap();
    assert_eq!((hit.name, hit.path), ("pwrite64", dir.path().join("file.tmp")));
    assert_eq!(on_disk(dir.path()), Some(("file.tmp".to_owned(), 4096)));

    let (dir, outcome) = one("vectored", at(2, Action::KillHalfway));
    assert_eq!(outcome.ended, Ended::Killed);
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"abcde");
}

#[test]
fn fails_each_step_with_each_error() {
    skip_unless_available!();
    for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
        for n in 1..=STEPS.len() {
            let (dir, outcome) = one("replace", at(n as u64, Action::Fail(errno)));
            assert_eq!(outcome.ended, Ended::Exit(errno.raw_os_error()), "at {n}");
            assert_steps(dir.path(), n - 1);
        }
    }
}

#[test]
fn an_interrupted_write_is_made_again() {
    skip_unless_available!();
    let (dir, outcome) = one("replace", at(2, Action::Fail(Errno::INTR)));
    assert_eq!((outcome.ended, outcome.counted), (Ended::Exit(0), 7));
    assert_steps(dir.path(), 6);
}

#[test]
fn a_short_write_is_seen_as_short() {
    skip_unless_available!();
    let (dir, outcome) = one("replace", at(2, Action::Short));
    assert_eq!(
        (outcome.ended, outcome.counted),
        (Ended::Exit(0), 7),
        "the other half makes one more"
    );
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), CONTENT);

    let (dir, outcome) = one("vectored", at(2, Action::Short));
    assert_eq!(outcome.ended, Ended::Exit(0));
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("taken: 5\n"));
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"abcde");
}

#[test]
fn a_sweep_visits_every_step_of_every_thread() {
    skip_unless_available!();
    let mut dir = TempDir::new().unwrap();
    let started = Instant::now();
    let cases: Vec<_> = sweep(Action::KillBefore, LIMIT, |_| {
        dir = TempDir::new().unwrap();
        (program("in_turn", dir.path()), dir.path().into())
    })
    .map(|case| case.unwrap())
    .collect();
    eprintln!("{:?} per case", started.elapsed() / cases.len() as u32);

    assert_eq!(cases.iter().map(|case| case.at).collect::<Vec<_>>(), (1..=13).collect::<Vec<_>>());
    let (untouched, killed) = cases.split_last().unwrap();
    assert_eq!((untouched.outcome.ended, untouched.outcome.counted), (Ended::Exit(0), 12));
    assert!(killed.iter().all(|case| case.outcome.ended == Ended::Killed));
    let hits: Vec<_> = killed.iter().map(|case| case.outcome.hit.as_ref().unwrap()).collect();
    let names: Vec<_> = hits.iter().map(|hit| hit.name).collect();
    assert_eq!(names, [STEPS, STEPS].concat());
    assert!(hits[0].path.ends_with("other.tmp") && hits[6].path.ends_with("file.tmp"));
}

#[test]
fn the_time_limit_leaves_no_process_behind() {
    skip_unless_available!();
    let dir = TempDir::new().unwrap();
    let started = Instant::now();
    let outcome =
        run(&program("endless", dir.path()), dir.path(), None, Duration::from_millis(500)).unwrap();
    assert_eq!(outcome.ended, Ended::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(10));

    let stdout = String::from_utf8(outcome.stdout).unwrap();
    let (_, rest) = stdout.split_once("started: ").expect("it starts in time");
    let pid = rest.split('.').next().unwrap();
    // Gone, or a zombie that init has yet to collect.
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(" Z "), "{state}");
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    skip_unless_available!();
    let missing = run(&Program::new("/nonexistent/program"), "/nonexistent", None, LIMIT);
    assert!(missing.is_err());
}

#[test]
fn drivers_side_by_side_do_not_disturb_each_other_or_anyone_else() {
    skip_unless_available!();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in [1, 3, 6] {
                    let (dir, outcome) = one("replace", at(n, Action::KillAfter));
                    assert_eq!(outcome.ended, Ended::Killed);
                    assert_steps(dir.path(), n as usize);
                }
            });
        }
        for _ in 0..20 {
            let status = Command::new("sh").args(["-c", "exit 42"]).status().unwrap();
            assert_eq!(status.code(), Some(42));
        }
    });
}
