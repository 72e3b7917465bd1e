//! Killed, and failed, at every syscall of a process that writes a ledger: what was acknowledged is
//! there, and a failed sync is the end.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use piton_checkpoint::ledger::{Claim, Ledger, LedgerError, Outcome, State};
use piton_testkit::syscalls::{Action, Ended, Errno, Plan, Program, available, run};

use crate::book::{NOW, POWER, done, failed, key, path_in, record};

const DIR: &str = "PITON_CHECKPOINT_CHILD_DIR";
/// Far beyond what any run takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// The items of a run, in groups.
const ITEMS: u64 = 4;
const GROUP: u64 = 2;

/// Not a test: what the killed process does. Every item fails, then comes.
#[test]
#[ignore = "is run by other tests, in a process of its own"]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    // Ends the line on which the test runner has begun to say something.
    say("");
    let ledger = match Ledger::open(&path_in(&dir), &POWER) {
        Ok(ledger) => ledger,
        Err(error) => {
            say(&format!("closed {}", kind(&error)));
            process::exit(1);
        }
    };
    for attempt in [1, 2] {
        for first in (0..ITEMS).step_by(GROUP as usize) {
            let group = first..first + GROUP;
            let flights: Vec<_> =
                group.clone().map(|n| ledger.begin(key(n), attempt, NOW)).collect();
            let claimed =
                group.clone().all(|n| matches!(ledger.claim_name(n, &key(n)), Ok(Claim::Claimed)));
            let told = record(&ledger, group.clone().map(|n| ended(n, attempt)));
            match told.into_iter().collect::<Result<(), _>>() {
                Ok(()) if claimed => group.for_each(|n| say(&format!("ack {n} {attempt}"))),
                Ok(()) => {}
                Err(error) => say(&format!("no {}", kind(&error))),
            }
            drop(flights);
        }
    }
    if let Err(error) = ledger.close() {
        say(&format!("end {}", kind(&error)));
    }
    process::exit(0);
}

fn ended(n: u64, attempt: u32) -> Outcome {
    let outcome = match attempt {
        1 => failed(n, State::Transient, "timeout"),
        _ => done(n),
    };
    Outcome { attempts: attempt, ..outcome }
}

fn kind(error: &LedgerError) -> &'static str {
    match error {
        LedgerError::Sync { .. } => "sync",
        LedgerError::Full { .. } => "full",
        LedgerError::Damaged { .. } => "damaged",
        LedgerError::Foreign { .. } | LedgerError::NewerFormat { .. } => "other",
        _ => "io",
    }
}

/// Said and gone: a kill takes nothing back.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

fn lines(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    let ours =
        |line: &&str| ["ack ", "no ", "closed ", "end "].iter().any(|word| line.starts_with(word));
    text.lines().filter(ours).map(str::to_owned).collect()
}

/// Opens what the process left, as the next run would; says what is wrong.
fn check(dir: &Path, said: &[String]) -> Result<(), String> {
    let ledger = Ledger::open(&path_in(dir), &POWER).map_err(|error| error.to_string())?;
    let mut reader = ledger.reader().map_err(|error| error.to_string())?;
    let mut rows = 0;
    for n in 0..ITEMS {
        let known = reader.lookup(&key(n)).map_err(|error| error.to_string())?;
        let acknowledged =
            [1, 2].into_iter().filter(|attempt| said.contains(&format!("ack {n} {attempt}"))).max();
        rows += u64::from(known.is_some());
        match (&known, acknowledged) {
            (None, None) => {}
            (None, Some(_)) => return Err(format!("item {n} was acknowledged and is gone")),
            (Some(known), acknowledged) => {
                if known.attempts < acknowledged.unwrap_or(0) {
                    return Err(format!("item {n}: {known:?} after {acknowledged:?}"));
                }
                let as_recorded = match known.attempts {
                    1 => State::Transient,
                    _ => State::Done,
                };
                if known.state != as_recorded && known.state != State::Interrupted {
                    return Err(format!("item {n}: {known:?}"));
                }
            }
        }
        if acknowledged.is_some() {
            let claim = ledger.claim_name(n, &key(99)).map_err(|error| error.to_string())?;
            if claim != Claim::TakenBy(key(n)) {
                return Err(format!("the name of item {n}: {claim:?}"));
            }
        }
    }
    let total = reader.totals().map_err(|error| error.to_string())?.all().items;
    if total != rows {
        return Err(format!("{rows} items, and {total} are counted"));
    }
    drop(reader);
    ledger.close().map_err(|error| error.to_string())
}

/// Returns what was said in all runs.
fn at_every_syscall(action: Action) -> BTreeSet<String> {
    let (mut problems, mut all) = (Vec::new(), BTreeSet::new());
    let mut at = 0;
    loop {
        at += 1;
        let dir = tempfile::tempdir().unwrap();
        let program = Program::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path());
        let outcome = run(&program, dir.path(), Some(Plan { at, action }), PATIENCE).unwrap();
        let said = lines(&outcome.stdout);
        let mut wrong = |what: String| problems.push(format!("{at}: {:?}: {what}", outcome.hit));
        match outcome.ended {
            Ended::Killed | Ended::Exit(0 | 1) => {}
            ended => wrong(format!("{ended:?}")),
        }
        // G7: a second sync would say "done" without the bytes of the first.
        if let Some(refused) = said.iter().position(|line| line == "no sync")
            && said[refused..].iter().any(|line| line.starts_with("ack"))
        {
            wrong(format!("went on after a failed sync: {said:?}"));
        }
        if said.iter().any(|line| line.ends_with("damaged")) {
            wrong(format!("took it for damage: {said:?}"));
        }
        if let Err(problem) = check(dir.path(), &said) {
            wrong(format!("{problem}: {said:?}"));
        }
        all.extend(said);
        if outcome.hit.is_none() {
            break;
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(at > 50, "{at} syscalls only");
    assert!(all.contains(&format!("ack {} 2", ITEMS - 1)), "the last run is whole");
    all
}

#[test]
fn a_kill_before_every_syscall_costs_nothing_acknowledged() {
    killed(Action::KillBefore);
}

#[test]
fn a_kill_half_way_through_every_syscall_costs_nothing_acknowledged() {
    killed(Action::KillHalfway);
}

#[test]
fn a_kill_after_every_syscall_costs_nothing_acknowledged() {
    killed(Action::KillAfter);
}

fn killed(action: Action) {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    at_every_syscall(action);
}

#[test]
fn every_syscall_fails_with_eio() {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let said = at_every_syscall(Action::Fail(Errno::IO));
    for word in ["no sync", "no io", "closed io"] {
        assert!(said.contains(word), "{word} in {said:?}");
    }
}

#[test]
fn every_syscall_fails_for_want_of_space() {
    if let Err(reason) = available() {
        return piton_testkit::skip(reason);
    }
    let said = at_every_syscall(Action::Fail(Errno::NOSPC));
    for word in ["no full", "closed full"] {
        assert!(said.contains(word), "{word} in {said:?}");
    }
}

#[test]
fn every_write_is_cut_short() {
    killed(Action::Short);
}
