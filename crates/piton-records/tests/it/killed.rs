//! A real process that is killed at random moments, with the threads and the cadence that programs get.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use piton_records::{Checkpoints, Error, Job};
use piton_testkit::real::Redis;
use piton_testkit::seed::draw;
use piton_testkit::syscalls::{Action, Ended, Errno, Plan, Program, run};

use crate::harness::{lines, result, wanted};

/// The folder in which the child works.
pub(crate) const CHILD: &str = "PITON_RECORDS_CHILD";
/// Its source, if that is not in the folder.
pub(crate) const SOURCE: &str = "PITON_RECORDS_SOURCE";
/// Where it keeps its state, if that is not a journal in the folder.
pub(crate) const STATE: &str = "PITON_RECORDS_STATE";
/// Whether it commits each record.
const EACH: &str = "PITON_RECORDS_EACH";
/// Its exit code after an error.
pub(crate) const FAILED: i32 = 7;

pub(crate) fn input() -> Vec<u8> {
    (0..300_000).flat_map(|n| format!("line {n} {}\n", "z".repeat(n % 40)).into_bytes()).collect()
}

/// The program: it is this test again, in a process of its own.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let path = |name: &str| Path::new(&folder).join(name);
    let how = match std::env::var_os(EACH) {
        Some(_) => Checkpoints::Records { commit: 1, sync: 3 },
        None => Checkpoints::Auto,
    };
    // With a source elsewhere the power is cut, and it takes seconds.
    let pause = if std::env::var_os(SOURCE).is_some() { 10 } else { 1 };
    let work = || -> Result<(), Error> {
        let mut job = Job::builder(path("job")).checkpoints(how);
        if let Ok(state) = std::env::var(STATE) {
            job = job.state(state);
        }
        let mut job = job.open()?;
        let mut out = job.output(path("out"))?;
        let source = std::env::var_os(SOURCE).map_or_else(|| path("in"), PathBuf::from);
        for record in job.lines(source)? {
            let record = record?;
            out.write(&record, result(&record))?;
            if record.line() % 1000 == 0 {
                std::thread::sleep(Duration::from_millis(pause));
            }
        }
        job.finish()
    };
    if let Err(error) = work() {
        eprintln!("{error}");
        std::process::exit(FAILED);
    }
}

/// This test binary as [`child`].
pub(crate) fn program() -> Program {
    Program::new(std::env::current_exe().unwrap()).args(["--exact", "killed::child"])
}

/// The child at each of its file syscalls: killed, failed, written short. Then once more, untouched.
#[test]
fn at_every_syscall() {
    use Action::*;
    let actions = [KillBefore, KillHalfway, KillAfter, Fail(Errno::IO), Fail(Errno::NOSPC), Short];
    every_syscall(None, &lines(7), &actions);
}

/// SQLite has many syscalls of its own, and recovers from what they left.
#[test]
fn at_every_syscall_with_a_state_in_sqlite() {
    use Action::*;
    let state: fn(&Path) -> String =
        |folder| format!("sqlite:{}", folder.join("jobs.db").display());
    every_syscall(Some(state), &lines(3), &[KillHalfway, Fail(Errno::IO), Fail(Errno::NOSPC)]);
}

fn every_syscall(state: Option<fn(&Path) -> String>, input: &[u8], actions: &[Action]) {
    for &action in actions {
        let mut cases = 0;
        for at in 1_u64.. {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            std::fs::write(path("in"), input).unwrap();
            let mut program = program().env(CHILD, folder.path()).env(EACH, "1");
            if let Some(state) = state {
                program = program.env(STATE, state(folder.path()));
            }
            let plan = Plan { at, action };
            let outcome =
                run(&program, folder.path(), Some(plan), Duration::from_secs(60)).unwrap();
            if outcome.hit.is_none() {
                break;
            }
            cases += 1;
            assert!(
                matches!(outcome.ended, Ended::Killed | Ended::Exit(0 | FAILED)),
                "{action:?} at {at}: {:?}",
                outcome.ended
            );
            let again = program.command().stdout(Stdio::null()).status().unwrap();
            let what = format!("{action:?} at {at}, {:?}", outcome.hit);
            assert!(again.success(), "{what}: {again}");
            assert_eq!(std::fs::read(path("out")).unwrap(), wanted(input), "{what}");
        }
        assert!(cases > 40, "{action:?}: {cases}");
    }
}

#[test]
fn at_random_moments_until_it_is_done() {
    let kills: u32 = (0..4)
        .map(|round| {
            let folder = tempfile::tempdir().unwrap();
            kill_until_done(folder.path(), None, &input(), round, 3)
        })
        .sum();
    assert!(kills > 4, "{kills} kills");
}

#[test]
fn in_compressed_sources_at_random_moments_until_it_is_done() {
    if !crate::codecs::available() {
        return;
    }
    let input = input();
    let mut kills = 0;
    for (round, form) in (100..).zip(crate::codecs::few()) {
        let folder = tempfile::tempdir().unwrap();
        kills += kill_until_done(folder.path(), None, &form.made(&input), round, 3);
    }
    assert!(kills > 7, "{kills} kills");
}

#[test]
fn at_random_moments_with_a_state_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("json:{}", folder.path().join("job.json").display());
    assert!(kill_until_done(folder.path(), Some(&state), &input(), 10, 3) > 1);
}

#[test]
fn at_random_moments_with_a_state_in_sqlite() {
    let mut kills = 0;
    for round in 20..23 {
        let folder = tempfile::tempdir().unwrap();
        let state = format!("sqlite:{}?job=a", folder.path().join("jobs.db").display());
        kills += kill_until_done(folder.path(), Some(&state), &input(), round, 3);
    }
    assert!(kills > 3, "{kills} kills");
}

#[test]
fn at_random_moments_with_a_state_in_redis() {
    if let Err(missing) = Redis::available() {
        return piton_testkit::skip(missing);
    }
    let redis = Redis::that_keeps_everything();
    let mut kills = 0;
    for round in 30..33 {
        let folder = tempfile::tempdir().unwrap();
        let state = format!("{}?job=round-{round}", redis.url());
        kills += kill_until_done(folder.path(), Some(&state), &input(), round, 2);
    }
    assert!(kills > 3, "{kills} kills");
}

/// Starts the child until it is done, and kills it at random moments. Returns how often.
fn kill_until_done(
    folder: &Path,
    state: Option<&str>,
    source: &[u8],
    round: u64,
    files: usize,
) -> u32 {
    let path = |name: &str| folder.join(name);
    std::fs::write(path("in"), source).unwrap();
    let mut kills = 0;
    for turn in 0..200 {
        let mut child = with_state(folder, state).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + draw(round * 1000 + turn, 250)));
        // It may be over.
        let _ = child.kill();
        if child.wait().unwrap().success() {
            break;
        }
        kills += 1;
    }
    assert!(std::fs::read(path("out")).unwrap() == wanted(input().strip_suffix(b"\n").unwrap()));
    // Each byte behind a commit is explained: nothing was set aside.
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), files);
    kills
}

/// The child, with its state there.
pub(crate) fn with_state(folder: &Path, state: Option<&str>) -> Command {
    let mut program = program().env(CHILD, folder);
    if let Some(state) = state {
        program = program.env(STATE, state);
    }
    let mut command = program.command();
    command.stdout(Stdio::null()).stderr(Stdio::inherit());
    command
}
