//! Killed, and failed, at every file syscall of a job; then the same command again.
//!
//! The job has three chunks, of which the first is slow: the other two pass through the spool, and one of them is a dead
//! letter. `PITON_TEST_SEED` draws other moments for the second crash.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use piton::records::parallel::Letter;
use piton_testkit::seed::draw;
use piton_testkit::syscalls::{Action, Ended, Outcome, Plan, Program, available, run};
use tempfile::TempDir;

use crate::crashes::{ACTIONS, for_every_number};

const INPUT: &str = "one\ntwo\nthree\n";
const SCRIPT: &str = "case $PITON_LINE in 1) sleep 0.3;; 3) exit 4;; esac; sed s/^/x:/";

/// Only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(60);

struct Case {
    place: TempDir,
    order: &'static [&'static str],
}

impl Case {
    fn new(order: &'static [&'static str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("in"), INPUT).unwrap();
        Self { place, order }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.place.path().join(name)).unwrap_or_default()
    }

    fn run(&self, workers: u64, plan: Option<Plan>) -> Outcome {
        let options = ["lines", "in", "--chunk", "1", "-o", "out", "--dead-letter", "dead"];
        let program = Program::new(env!("CARGO_BIN_EXE_piton"))
            .args(options)
            .args(self.order)
            .args(["--jobs", &workers.to_string(), "--", "sh", "-c", SCRIPT])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .current_dir(self.place.path());
        run(&program, self.place.path(), plan, PATIENCE).unwrap()
    }

    /// After a crash or an error: killed, or done, or a clear error.
    fn has_ended(&self, action: Action, outcome: &Outcome) -> Result<(), String> {
        let killed = matches!(action, Action::KillBefore | Action::KillAfter | Action::KillHalfway);
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        match outcome.ended {
            Ended::Killed if killed => Ok(()),
            Ended::Exit(13) => Ok(()),
            Ended::Exit(3) if stderr.contains("piton: ") => Ok(()),
            // A command that could not see where it is.
            Ended::Exit(code) => Err(format!("exit code {code}: {stderr}")),
            ended => Err(format!("{ended:?}: {stderr}")),
        }
    }

    /// Once more, untouched: everything is there, once.
    fn continues(&self, workers: u64) -> Result<(), String> {
        let outcome = self.run(workers, None);
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        if outcome.ended != Ended::Exit(13) {
            return Err(format!("then {:?}: {stderr}", outcome.ended));
        }
        let out = self.read("out");
        let mut lines: Vec<_> = out.lines().collect();
        if !self.order.is_empty() {
            lines.sort_unstable();
        }
        if lines != ["x:one", "x:two"] {
            return Err(format!("then the output is {out:?}"));
        }
        let dead = self.read("dead");
        let dead: Vec<_> =
            dead.lines().map(|line| Letter::parse(line.as_bytes()).unwrap()).collect();
        match dead.as_slice() {
            [letter] if letter.data.as_deref() == Some("three\n") => {}
            _ => return Err(format!("then the dead letters are {dead:?}")),
        }
        let left = |name| self.place.path().join(name).exists();
        match left("out.part") || left("out.piton-spool") {
            true => Err("then a part or a spool is left".to_owned()),
            false => Ok(()),
        }
    }
}

/// Does this to every syscall of a job. Returns what was hit, by name and file; `None` where nothing could be tried.
fn at_every_syscall(
    action: Action,
    order: &'static [&'static str],
) -> Option<BTreeSet<(&'static str, PathBuf)>> {
    if let Err(reason) = available() {
        piton_testkit::skip(reason);
        return None;
    }
    let hits = Mutex::new(BTreeSet::new());
    for_every_number(|n| {
        let case = Case::new(order);
        let outcome = case.run(2, Some(Plan { at: n, action }));
        if let Some(hit) = &outcome.hit {
            let file = hit.path.strip_prefix(case.place.path()).unwrap_or(&hit.path);
            // The name begins with a random number.
            let file = match file.parent() {
                Some(parent) if parent == Path::new("out.piton-spool") => parent.join("entries"),
                _ => file.to_owned(),
            };
            hits.lock().unwrap().insert((hit.name, file));
        }
        case.has_ended(action, &outcome)
            .and_then(|()| case.continues(1 + n % 3))
            .map_err(|problem| format!("{action:?} {:?}: {problem}", outcome.hit))?;
        Ok(outcome.hit.is_some())
    });
    Some(hits.into_inner().unwrap())
}

#[test]
fn killed_before_half_way_and_after_every_syscall() {
    let mut hits = BTreeSet::new();
    for action in [Action::KillBefore, Action::KillHalfway, Action::KillAfter] {
        let Some(hit) = at_every_syscall(action, &[]) else { return };
        hits.extend(hit);
    }
    // The spool was in use, and the whole protocol was tried.
    for (verb, file) in [
        ("pwrite", "out.piton-spool/entries"),
        ("fdatasync", "out.piton-spool/entries"),
        ("pwrite", "out.part"),
        ("fsync", "out.part"),
        ("rename", "out.part"),
        ("pwrite", "dead"),
        ("pwrite", "out.piton-job"),
        ("unlink", "out.piton-spool/entries"),
        ("unlink", "out.piton-spool"),
    ] {
        let tried =
            |(name, path): &(&str, PathBuf)| name.starts_with(verb) && path == Path::new(file);
        assert!(hits.iter().any(tried), "no {verb} of {file} in {hits:#?}");
    }
}

#[test]
fn every_syscall_fails_or_is_cut_short() {
    for action in &ACTIONS[3..] {
        at_every_syscall(*action, &[]);
    }
}

#[test]
fn in_any_order_every_syscall_is_killed_or_fails() {
    for action in [ACTIONS[1], ACTIONS[3]] {
        at_every_syscall(action, &["--unordered"]);
    }
}

#[test]
fn two_crashes_in_a_row() {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    for_every_number(|n| {
        let case = Case::new(&[]);
        let first = Plan { at: n, action: Action::KillAfter };
        let outcome = case.run(2, Some(first));
        case.has_ended(first.action, &outcome)?;
        let second = Plan { at: 1 + draw(n, 60), action: Action::KillHalfway };
        case.has_ended(second.action, &case.run(3, Some(second)))
            .and_then(|()| case.continues(2))
            .map_err(|problem| format!("{:?}, then {second:?}: {problem}", outcome.hit))?;
        Ok(outcome.hit.is_some())
    });
}
