//! A crash, and an error, at every operation of a download.

use piton_durable::fs::Fs;
use piton_durable::part::Durability;
use piton_durable::replace::{replace, replace_from};
use piton_testkit::disk::{Crash, Failure, Fault, SimDisk, When};

use crate::harness::{Download, ERRORS};

const MOMENTS: [When; 3] = [When::Before, When::Half, When::After];

fn seed(round: u64, at: u64) -> u64 {
    round * 1_000_003 + at
}

#[test]
fn a_crash_at_every_operation_costs_little_and_spoils_nothing() {
    for durability in [Durability::Power, Durability::Process] {
        let operations = Download::operations(durability);
        assert!(operations > 150, "the download is too small to prove anything: {operations}");
        for (round, when) in (0..).zip(MOMENTS) {
            for at in 1..=operations {
                let kill = [Fault { at, failure: Failure::Crash(Crash::Kill, when) }];
                live(seed(round, at), durability, &[&kill], Crash::Kill);
            }
        }
    }
    let operations = Download::operations(Durability::Power);
    for (round, when) in (3..).zip(MOMENTS.repeat(2)) {
        for at in 1..=operations {
            let cut = [Fault { at, failure: Failure::Crash(Crash::Power, when) }];
            live(seed(round, at), Durability::Power, &[&cut], Crash::Power);
        }
    }
}

#[test]
fn two_and_three_crashes_in_a_row_are_no_worse() {
    let operations = Download::operations(Durability::Power);
    for at in (1..=operations).step_by(11) {
        for next in (1..=operations).step_by(9) {
            let seed = seed(at, next);
            let kind = |bit: u64| match (seed >> bit) & 1 {
                0 => Crash::Kill,
                _ => Crash::Power,
            };
            let crash = |at: u64, kind| [Fault { at, failure: Failure::Crash(kind, When::After) }];
            let (first, second) = (crash(at, kind(0)), crash(next, kind(1)));
            let third = crash(next / 2 + 1, kind(2));
            live(seed, Durability::Power, &[&first, &second, &third], Crash::Power);
        }
    }
}

#[test]
fn an_error_at_every_operation_is_said_and_survived() {
    let operations = Download::operations(Durability::Power);
    for (round, failure) in (0..).zip(ERRORS) {
        for at in 1..=operations {
            let between = if (at + round) % 2 == 0 { Crash::Kill } else { Crash::Power };
            let error = [Fault { at, failure }];
            // The run after the error ends in a crash of its own.
            let cut = Failure::Crash(Crash::Power, When::After);
            let later = [Fault { at: at / 2 + 10, failure: cut }];
            live(seed(round, at), Durability::Power, &[&error, &later], between);
        }
    }
}

#[test]
fn a_small_file_is_replaced_whole_or_not_at_all() {
    let (old, new) = (vec![1; 9000], vec![2; 12_000]);
    for at in 1..=12 {
        for (round, when) in (0..).zip(MOMENTS.repeat(8)) {
            let disk = SimDisk::seeded(seed(round, at));
            disk.put("/config", &old);
            disk.inject(Fault { at, failure: Failure::Crash(Crash::Power, when) });
            let replaced = replace(&disk, "/config".as_ref(), &new, 0o644).is_ok();
            if !disk.is_down() {
                disk.crash(Crash::Power);
            }
            disk.restart();
            let found = disk.bytes("/config").unwrap();
            assert!(found == new || found == old && !replaced, "round {round}, operation {at}");
        }
    }
}

#[test]
fn what_is_spooled_is_there_whole_or_not_at_all() {
    let (old, new) = (vec![1; 9000], vec![2; 600_000]);
    for at in 1..=16 {
        for (round, when) in (0..).zip(MOMENTS.repeat(4)) {
            let disk = SimDisk::seeded(seed(round, at));
            disk.put("/list", &old);
            disk.inject(Fault { at, failure: Failure::Crash(Crash::Power, when) });
            let spooled = replace_from(&disk, "/list".as_ref(), &mut new.as_slice(), 0o600);
            if !disk.is_down() {
                disk.crash(Crash::Power);
            }
            disk.restart();
            let found = disk.bytes("/list").unwrap();
            let kept = found == old && spooled.is_err();
            assert!(found == new || kept, "round {round}, operation {at}");
        }
    }
}

#[test]
fn an_input_that_fails_half_way_leaves_what_was() {
    let disk = SimDisk::seeded(1);
    disk.put("/list", b"old");
    let torn = std::io::ErrorKind::ConnectionReset;
    let mut input = std::io::Read::chain(&b"half"[..], Torn(torn));
    let error = replace_from(&disk, "/list".as_ref(), &mut input, 0o600).unwrap_err();
    assert_eq!((error.what, error.source.kind()), ("read the input for", torn));
    assert_eq!(disk.bytes("/list").unwrap(), b"old");
    assert_eq!(Fs::list(&disk, "/".as_ref()).unwrap().len(), 1);
}

struct Torn(std::io::ErrorKind);

impl std::io::Read for Torn {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(self.0.into())
    }
}

#[track_caller]
fn live(seed: u64, durability: Durability, lives: &[&[Fault]], between: Crash) {
    let mut download = Download::new(seed, None, durability);
    if let Err(text) = download.live_through(lives, between) {
        panic!("seed {seed}, {durability:?}, {lives:?}, then {between:?}: {text}");
    }
}
