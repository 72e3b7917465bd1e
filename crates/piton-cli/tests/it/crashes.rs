//! Killed, and failed, at every file syscall of a download; then the same command again.
//!
//! A small download, which lands without a part where nothing stands, does the same in every run, so that
//! each of its syscalls is met. A segmented one,
//! over three connections and slow enough for a checkpoint in the middle, has threads that race.
//!
//! `PITON_TEST_SEED` draws other moments for the second crash.

mod place;
mod urls;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use piton_testkit::syscalls::{Action, Ended, Errno, Outcome, Plan, available};

use self::place::{Place, Source};
use piton_testkit::seed::{draw, seed};

pub(crate) const ACTIONS: [Action; 7] = [
    Action::KillBefore,
    Action::KillHalfway,
    Action::KillAfter,
    Action::Fail(Errno::IO),
    Action::Fail(Errno::NOSPC),
    Action::Fail(Errno::INTR),
    Action::Short,
];

/// They mostly wait for the server.
const THREADS: usize = 8;
/// Runs differ by a few syscalls: the numbers go on until so many runs had no such one.
const UNTOUCHED: u64 = 6;

#[test]
fn killed_before_every_syscall() {
    at_every_syscall(Action::KillBefore);
}

#[test]
fn killed_half_way_through_every_syscall() {
    at_every_syscall(Action::KillHalfway);
}

#[test]
fn killed_after_every_syscall() {
    let Some(hits) = at_every_syscall(Action::KillAfter) else { return };
    // It was the whole protocol that was tried. What follows the verb (at, at2, 64) depends on libc.
    for (verb, file) in [
        ("open", "file.bin.part"),
        ("fallocate", "file.bin.part"),
        ("pwrite", "file.bin.part"),
        ("fdatasync", "file.bin.part"),
        ("fsetxattr", "file.bin.part"),
        ("fsync", "file.bin.part"),
        ("rename", "file.bin.part"),
        ("pwrite", "file.bin.piton.tmp"),
        ("fdatasync", "file.bin.piton.tmp"),
        ("rename", "file.bin.piton.tmp"),
        ("pwrite", "file.bin.piton"),
        ("fdatasync", "file.bin.piton"),
        ("unlink", "file.bin.piton"),
        ("fsync", ""),
        // What has no name yet is shown as "#" and its number.
        ("open", ""),
        ("pwrite", "#"),
        ("fsetxattr", "#"),
        ("utimensat", "#"),
        ("fsync", "#"),
        ("linkat", "#"),
    ] {
        let is = |path: &Path| match file {
            "#" => path.to_string_lossy().starts_with('#'),
            _ => path == Path::new(file),
        };
        let tried = |(name, path): &(&str, PathBuf)| name.starts_with(verb) && is(path);
        assert!(hits.iter().any(tried), "no {verb} of {file:?} in {hits:#?}");
    }
}

#[test]
fn every_syscall_fails_with_eio() {
    at_every_syscall(Action::Fail(Errno::IO));
}

#[test]
fn every_syscall_fails_for_want_of_space() {
    at_every_syscall(Action::Fail(Errno::NOSPC));
}

#[test]
fn every_syscall_is_interrupted() {
    at_every_syscall(Action::Fail(Errno::INTR));
}

#[test]
fn every_write_is_cut_short() {
    at_every_syscall(Action::Short);
}

#[test]
fn two_crashes_in_a_row() {
    if let Err(reason) = available() {
        piton_testkit::skip(reason);
        return;
    }
    for (source, old) in ways() {
        for_every_number(|n| {
            let place = Place::new(&source, old.unwrap_or(n % 2 == 0));
            let first = Plan { at: n, action: Action::KillAfter };
            let outcome = place.get(3, Some(first));
            place.check_ended(first.action, &outcome)?;
            let second = Plan { at: 1 + draw(n, n + 10), action: Action::KillHalfway };
            place
                .check_ended(second.action, &place.get(2, Some(second)))
                .and_then(|()| place.check_between())
                .and_then(|()| place.check_goes_on(3))
                .map_err(|problem| format!("then {second:?}: {problem}"))?;
            Ok(outcome.hit.is_some())
        });
    }
}

/// A copy of a file of this machine survives what a download survives.
#[test]
fn a_copy_at_every_syscall() {
    if let Err(reason) = available() {
        piton_testkit::skip(reason);
        return;
    }
    let hits = a_copy_below(&std::env::temp_dir());
    let is_hit = |name| hits.contains(&(name, "file.bin.part".into()));
    // Where the file system can share, nothing is left to copy.
    assert!(is_hit("ioctl") && (is_hit("copy_file_range") || !is_hit("fallocate")), "{hits:#?}");
}

/// Source and target are below `dir`. Returns what was hit.
pub(crate) fn a_copy_below(dir: &Path) -> BTreeSet<(&'static str, PathBuf)> {
    let (source, hits) = (Source::file(dir), Mutex::new(BTreeSet::new()));
    for_every_number(|n| {
        let place = Place::below(dir, &source, n % 2 == 0);
        let action = ACTIONS[draw(n ^ (1 << 53), ACTIONS.len() as u64) as usize];
        let outcome = place.get(1, Some(Plan { at: n, action }));
        note(&hits, &place, &outcome);
        holds(&place, action, &outcome, 1 + n % 4)
    });
    hits.into_inner().unwrap()
}

#[test]
fn every_syscall_of_a_resume_fails_with_eio() {
    if let Err(reason) = available() {
        piton_testkit::skip(reason);
        return;
    }
    let source = Source::segmented();
    for_every_number(|n| {
        let place = Place::new(&source, n % 2 == 0);
        let middle = Plan { at: 40 + draw(n, 30), action: Action::KillAfter };
        place.check_ended(middle.action, &place.get(3, Some(middle)))?;
        let failing = Plan { at: n, action: Action::Fail(Errno::IO) };
        let outcome = place.get_with_reads(3, Some(failing));
        place
            .check_ended(failing.action, &outcome)
            .and_then(|()| place.check_between())
            .and_then(|()| place.check_goes_on(3))
            .map_err(|problem| format!("{middle:?}, {:?}: {problem}", outcome.hit))?;
        Ok(outcome.hit.is_some())
    });
}

/// Does `action` to every syscall of a small download and of a segmented one. Returns what was hit,
/// by name and file; `None` where nothing could be tried.
fn at_every_syscall(action: Action) -> Option<BTreeSet<(&'static str, PathBuf)>> {
    if let Err(reason) = available() {
        piton_testkit::skip(reason);
        return None;
    }
    let hits = Mutex::new(BTreeSet::new());
    for (source, old) in ways() {
        for_every_number(|n| {
            let place = Place::new(&source, old.unwrap_or(n % 2 == 0));
            let outcome = place.get(3, Some(Plan { at: n, action }));
            note(&hits, &place, &outcome);
            holds(&place, action, &outcome, 1 + n % 4)
        });
    }
    Some(hits.into_inner().unwrap())
}

/// Notes what was hit, by name and file.
fn note(hits: &Mutex<BTreeSet<(&'static str, PathBuf)>>, place: &Place, outcome: &Outcome) {
    if let Some(hit) = &outcome.hit {
        let file = hit.path.strip_prefix(place.folder()).unwrap();
        hits.lock().unwrap().insert((hit.name, file.to_owned()));
    }
}

/// What must hold after `action`, then and after the same command again. Returns whether anything was hit.
fn holds(
    place: &Place,
    action: Action,
    outcome: &Outcome,
    connections: u64,
) -> Result<bool, String> {
    let undated = is_undated(outcome);
    place
        .check_ended(action, outcome)
        .and_then(|()| place.check_between())
        .and_then(|()| if undated { Ok(()) } else { place.check_goes_on(connections) })
        .map_err(|problem| format!("{action:?} {:?}: {problem}", outcome.hit))?;
    Ok(outcome.hit.is_some())
}

/// Done without the time of its source: the file is right, but nothing shows that it is that version, so
/// the next run refuses to touch it.
fn is_undated(outcome: &Outcome) -> bool {
    let name = outcome.hit.as_ref().map(|hit| hit.name);
    outcome.ended == Ended::Exit(0) && name == Some("utimensat")
}

/// What is downloaded, and whether something stands under the final name. A small file lands where
/// nothing is, and has a part where something is; it makes no such difference to a large one.
fn ways() -> [(Source, Option<bool>); 3] {
    [(Source::small(), Some(false)), (Source::small(), Some(true)), (Source::segmented(), None)]
}

/// Calls `case` with 1, 2, 3 … on several threads, until the program has no such syscall. `case` says
/// whether it had.
pub(crate) fn for_every_number(case: impl Fn(u64) -> Result<bool, String> + Sync) {
    let (turns, untouched) = (AtomicU64::new(0), AtomicU64::new(0));
    let problems = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while untouched.load(Ordering::Relaxed) < UNTOUCHED {
                    let n = 1 + turns.fetch_add(1, Ordering::Relaxed);
                    match case(n) {
                        Ok(true) => {}
                        Ok(false) => drop(untouched.fetch_add(1, Ordering::Relaxed)),
                        Err(problem) => problems.lock().unwrap().push(format!("{n}: {problem}")),
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().unwrap();
    assert!(problems.is_empty(), "PITON_TEST_SEED={}: {problems:#?}", seed());
}
