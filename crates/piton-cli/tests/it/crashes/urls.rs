//! Downloads from two and three URLs of which one differs, killed and failed at their file syscalls.
//!
//! With every difference, place of the URL that differs and action at each number it would take an hour. So each
//! number is tried once per judge, and draws the rest: all kinds meet all stretches of a run, which has the same
//! syscall many times, and another `PITON_TEST_SEED` pairs them otherwise.

use std::time::Duration;

use piton_testkit::seed::draw;
use piton_testkit::server::MIB;
use piton_testkit::syscalls::{Ended, Outcome, Plan, Program, Scope, available, run};

use super::{ACTIONS, for_every_number, is_undated};
use crate::urls::{Ask, Case, Differs, Files, Judge, Urls};

const LEN: u64 = 3 * MIB + 777;
/// So slow that a checkpoint comes while the bytes do.
const RATE: u64 = 3 * MIB / 2;
/// Far beyond what any run takes: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn with_a_digest_of_the_whole() {
    at_every_syscall(Judge::Digest);
}

#[test]
fn with_digests_of_pieces() {
    at_every_syscall(Judge::Pieces);
}

#[test]
fn with_both() {
    at_every_syscall(Judge::Both);
}

/// The first URL ends in the middle.
#[test]
fn with_nothing_that_judges() {
    at_every_syscall(Judge::Nothing);
}

/// What differs where, for the n-th number.
fn case(judge: Judge, n: u64) -> Case {
    let pick = |salt: u64, bound: u64| draw(n ^ (salt << 32) ^ ((judge as u64) << 40), bound);
    let differs = match judge {
        // What a comparison cannot be relied on to find is not promised.
        Judge::Nothing => [Differs::FromTheStart, Differs::InTheMiddle, Differs::FromHalfWay],
        _ => [Differs::InTheMiddle, Differs::FromHalfWay, Differs::Hardly],
    };
    let urls = 2 + pick(1, 2) as usize;
    Case {
        judge,
        urls,
        odd: pick(2, urls as u64) as usize,
        differs: differs[pick(3, 3) as usize],
        ends_at: (judge == Judge::Nothing).then_some(LEN / 4 + pick(4, LEN / 2)),
    }
}

fn at_every_syscall(judge: Judge) {
    if let Err(reason) = available() {
        piton_testkit::skip(reason);
        return;
    }
    let files = Files::new(LEN);
    for_every_number(|n| {
        let case = case(judge, n);
        let urls = Urls::new(case, &files, RATE);
        let action = ACTIONS[draw(n ^ (1 << 50) ^ judge as u64, ACTIONS.len() as u64) as usize];
        let ask = Ask::all(3);
        let outcome = run_in(&urls, &urls.program(ask), Some(Plan { at: n, action }));
        let undated = is_undated(&outcome);
        check(&urls, ask, &outcome)
            .and_then(|()| urls.check_between(true))
            .and_then(|()| if undated { Ok(()) } else { goes_on(&urls, n) })
            .map_err(|problem| format!("{case:?} {action:?} {:?}: {problem}", outcome.hit))?;
        Ok(outcome.hit.is_some())
    });
}

/// The same command again, or one that is given one URL and nothing that judges; and at last, with servers that
/// have their whole files, the same command to the end.
fn goes_on(urls: &Urls<'_>, n: u64) -> Result<(), String> {
    let connections = 1 + n % 4;
    let judged = urls.case.judge != Judge::Nothing;
    let ask = match draw(n ^ (1 << 51), 3) {
        0 => Ask::only(draw(n ^ (1 << 52), urls.case.urls as u64) as usize, connections),
        _ => Ask::all(connections),
    };
    let done = completes(urls, ask).map_err(|problem| format!("{ask:?}: {problem}"))?;
    match (done, ask.only) {
        (Err(said), None) if judged => return Err(format!("the same command again: {said}")),
        (Err(_), _) => urls.check_between(ask.only.is_none())?,
        (Ok(()), _) => return Ok(()),
    }
    urls.heal();
    let last = Ask::all(connections);
    completes(urls, last)?.map_err(|said| format!("at the end: {said}"))
}

/// Runs it to its end, whatever that is: done, or why not.
fn completes(urls: &Urls<'_>, ask: Ask) -> Result<Result<(), String>, String> {
    let mut outcome = run_in(urls, &urls.program(ask), None);
    check(urls, ask, &outcome)?;
    if outcome.ended != Ended::Exit(0) && ask.only.is_none() && urls.is_list() {
        outcome = run_in(urls, &urls.retry(), None);
        check(urls, ask, &outcome)?;
    }
    match outcome.ended {
        Ended::Exit(0) => Ok(Ok(())),
        ended => Ok(Err(format!("{ended:?}, {}", String::from_utf8_lossy(&outcome.stderr)))),
    }
}

fn run_in(urls: &Urls<'_>, program: &Program, plan: Option<Plan>) -> Outcome {
    run(program, Scope::below(urls.folder()), plan, PATIENCE).unwrap()
}

/// Killed as planned, or an end that fits what is there.
fn check(urls: &Urls<'_>, ask: Ask, outcome: &Outcome) -> Result<(), String> {
    match outcome.ended {
        Ended::Killed => Ok(()),
        Ended::Exit(code) => urls.check_ended(ask, code, &String::from_utf8_lossy(&outcome.stderr)),
        ended => Err(format!("{ended:?}")),
    }
}
