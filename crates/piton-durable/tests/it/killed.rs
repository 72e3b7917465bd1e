//! Killed at every syscall of a download onto the real file system: what was claimed is there.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use piton_durable::fs::{Fs, OsFs};
use piton_testkit::disk::{Broken, Sabotage};
use piton_testkit::syscalls::{Action, Ended, Plan, Program, available, run};

use crate::transfer::{File, Ledger, Promised, check, lay_out, run_one};

const DIR: &str = "PITON_DURABLE_CHILD_DIR";
const BROKEN: &str = "PITON_DURABLE_CHILD_BROKEN";
/// Replaces an old file.
const FILE: u64 = 2;
/// Far beyond what any run takes.
const PATIENCE: Duration = Duration::from_secs(120);
const THREADS: usize = 4;
/// Runs differ by some syscalls: the numbers go on until so many runs had no such one.
const UNTOUCHED: u64 = 4;

/// The moment in which the journal is gone and the name not there lasts for one syscall, whose number
/// differs from run to run: a sweep, which tries each number once, meets it two times in three.
const SWEEPS: u32 = 20;

/// Not a test: what the killed process does.
#[test]
#[ignore = "is run by other tests, in a process of its own"]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let disk: Arc<dyn Fs> = match std::env::var(BROKEN).is_ok() {
        true => Arc::new(Sabotage::new(OsFs, Broken::JournalRemovedBeforeRename)),
        false => Arc::new(OsFs),
    };
    let done = run_one(&disk, &dir, File::numbered(FILE), &Ledger::spoken());
    process::exit(done.map_or(1, |()| 0));
}

#[test]
fn a_kill_before_every_syscall_costs_no_claim() {
    costs_no_claim(Action::KillBefore);
}

#[test]
fn a_kill_half_way_through_every_syscall_costs_no_claim() {
    costs_no_claim(Action::KillHalfway);
}

#[test]
fn a_kill_after_every_syscall_costs_no_claim() {
    costs_no_claim(Action::KillAfter);
}

fn costs_no_claim(action: Action) {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let problems = at_every_syscall(action, false);
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The harness sees it; if it did not, its silence would prove nothing.
#[test]
fn a_journal_removed_before_the_rename_is_caught() {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let caught = (0..SWEEPS).any(|_| {
        let problems = at_every_syscall(Action::KillAfter, true);
        problems.iter().any(|problem| problem.contains("nothing is known"))
    });
    assert!(caught, "not in {SWEEPS} sweeps");
}

/// Kills the child at each of its syscalls; returns what was wrong afterwards.
fn at_every_syscall(action: Action, broken: bool) -> Vec<String> {
    let (turns, untouched) = (AtomicU64::new(1), AtomicU64::new(0));
    let problems = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while untouched.load(Ordering::Relaxed) < UNTOUCHED {
                    let at = turns.fetch_add(1, Ordering::Relaxed);
                    let dir = tempfile::tempdir().unwrap();
                    lay_out(dir.path());
                    let program = program(dir.path(), broken);
                    let plan = Plan { at, action };
                    let outcome = run(&program, dir.path(), Some(plan), PATIENCE).unwrap();
                    match outcome.ended {
                        Ended::Killed => {}
                        Ended::Exit(0) => drop(untouched.fetch_add(1, Ordering::Relaxed)),
                        ended => problems.lock().unwrap().push(format!("{at}: {ended:?}")),
                    }
                    let promised = Promised::heard(&outcome.stdout);
                    if let Err(problem) = check(dir.path(), &promised, false) {
                        let hit = outcome.hit;
                        problems.lock().unwrap().push(format!("{at}: {hit:?}: {problem}"));
                    }
                }
            });
        }
    });
    problems.into_inner().unwrap()
}

/// This test binary as [`child`].
fn program(dir: &Path, broken: bool) -> Program {
    let program = Program::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir);
    if broken { program.env(BROKEN, "1") } else { program }
}
