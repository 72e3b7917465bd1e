//! Records that fail: dead letters, retries, limits.

use std::time::Duration;

use piton_records::parallel::{Done, Failed, Letter, MaxFailures, Parallel};
use piton_records::{Checkpoints, Error, Framing, Job};
use piton_testkit::disk::SimDisk;

use super::{Calls, bytes, records, workers};
use crate::harness::{OUT, SOURCE, disk, fs, lines, result, wanted};

const LETTERS: &str = "/letters";

pub(super) fn run_with_letters(
    disk: &SimDisk,
    fs: std::sync::Arc<dyn piton_durable::fs::Fs>,
    how: &Parallel,
    map: impl Fn(&[u8]) -> Result<Vec<u8>, Failed> + Sync,
) -> Result<Done, Error> {
    let _ = disk;
    let checkpoints = Checkpoints::Records { commit: 1, sync: 3 };
    let mut job =
        Job::builder("/job").file_system(fs).checkpoints(checkpoints).max_record(200).open()?;
    job.dead_letters(LETTERS)?;
    job.output(OUT)?;
    let done = job.par_map(SOURCE, Framing::LINES, how, |record| map(record))?;
    if !done.stopped {
        job.finish()?;
    }
    Ok(done)
}

pub(super) fn letters(disk: &SimDisk) -> Vec<Letter> {
    let bytes = disk.bytes(LETTERS).unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Letter::parse(line).unwrap()).collect()
}

/// Records of which the number ends with 3 fail.
pub(super) fn picky(record: &[u8]) -> Result<Vec<u8>, Failed> {
    let number = record.split(|byte| *byte == b'-').next().unwrap();
    match number.ends_with(b"3") {
        true => Err(Failed::permanent("ends with 3")),
        false => Ok(result(record)),
    }
}

pub(super) fn without_failed(input: &[u8]) -> Vec<u8> {
    input.split(|byte| *byte == b'\n').filter_map(|line| picky(line).ok()).flatten().collect()
}

#[test]
fn dead_letters_have_the_record_its_place_and_the_error() {
    let input = lines(50);
    for size in [records(1), records(8), bytes(64)] {
        let disk = disk(1, &input);
        let done = run_with_letters(&disk, fs(&disk), &workers(3).size(size), picky).unwrap();
        assert_eq!((done.records, done.failed), (50, 5));
        assert!(disk.bytes(OUT).unwrap() == without_failed(&input));
        let letters = letters(&disk);
        assert_eq!(letters.iter().map(|it| it.line).collect::<Vec<_>>(), [4, 14, 24, 34, 44]);
        for letter in letters {
            let at = usize::try_from(letter.offset).unwrap();
            let bytes = letter.bytes().unwrap();
            assert_eq!(bytes, input[at..at + bytes.len()]);
            assert_eq!((letter.error.as_str(), letter.attempts), ("ends with 3", 1));
            assert_eq!((letter.records, letter.length), (1, bytes.len() as u64));
        }
    }
}

#[test]
fn a_record_that_is_too_long_is_a_dead_letter_without_bytes() {
    let long = "x".repeat(300_000);
    let input = format!("a\nb\n{long}\nc\n{long}");
    let disk = disk(1, input.as_bytes());
    let done = run_with_letters(&disk, fs(&disk), &workers(2).size(bytes(100)), picky).unwrap();
    assert_eq!((done.records, done.failed), (5, 2));
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(b"a\nb\nc"));
    let letters = letters(&disk);
    let places: Vec<_> = letters.iter().map(|it| (it.offset, it.length, it.line)).collect();
    assert_eq!(places, [(4, 300_001, 3), (300_007, 300_000, 5)]);
    assert!(letters[0].bytes().is_err());
    assert_eq!(letters[0].error, "the record has 300001 bytes, which is more than allowed");
}

#[test]
fn what_may_pass_is_tried_again_and_what_does_not_is_not() {
    let input = lines(3);
    let (disk, calls) = (disk(1, &input), Calls::default());
    let how = workers(1).retries(2, Duration::from_millis(1));
    let done = run_with_letters(&disk, fs(&disk), &how, |record| {
        calls.add(record);
        match (record[0], calls.of(record)) {
            (b'0', 1 | 2) => Err(Failed::transient("busy")),
            (b'1', _) => Err(Failed::transient("always busy")),
            (b'2', _) => Err(Failed::permanent("bad")),
            _ => Ok(result(record)),
        }
    })
    .unwrap();
    assert_eq!(done.failed, 2);
    let tried: Vec<_> = letters(&disk).iter().map(|it| (it.line, it.attempts)).collect();
    assert_eq!(tried, [(2, 3), (3, 1)]);
    assert_eq!(calls.total(), 3 + 3 + 1);
}

#[test]
fn with_too_many_failures_the_job_stops_and_continues_when_more_are_allowed() {
    let input = lines(50);
    let disk = disk(1, &input);
    let how = |most| workers(2).max_failures(Some(MaxFailures::Count(most)));
    let stopped = run_with_letters(&disk, fs(&disk), &how(2), picky);
    assert!(matches!(stopped, Err(Error::TooManyFailures { failed: 3.., .. })), "{stopped:?}");
    let done = run_with_letters(&disk, fs(&disk), &how(100), picky).unwrap();
    assert_eq!((done.records, done.failed), (50, 5));
    assert_eq!(letters(&disk).len(), 5);
    assert!(disk.bytes(OUT).unwrap() == without_failed(&input));
}

#[test]
fn letters_may_be_wanted_later_but_not_given_up() {
    let input = lines(20);
    let disk = disk(1, &input);
    let failed = super::run(fs(&disk), &workers(2), picky);
    assert!(matches!(failed, Err(Error::PieceFailed { line: 4, attempts: 1, .. })), "{failed:?}");
    let how = workers(2).max_failures(Some(MaxFailures::Count(0)));
    let failed = run_with_letters(&disk, fs(&disk), &how, picky);
    assert!(matches!(failed, Err(Error::TooManyFailures { .. })), "{failed:?}");
    let without = super::run(fs(&disk), &workers(2), picky);
    assert!(matches!(without, Err(Error::JobDiffers { what: "dead letters", .. })), "{without:?}");
    run_with_letters(&disk, fs(&disk), &workers(2), picky).unwrap();
    assert_eq!(letters(&disk).iter().map(|it| it.line).collect::<Vec<_>>(), [4, 14]);
}

/// What stops the run may have made the work fail: Ctrl-C reaches a command too.
#[test]
fn what_fails_after_the_stop_runs_again() {
    let input = lines(9);
    let disk = disk(1, &input);
    let monitor = std::sync::Arc::new(piton_records::parallel::Monitor::default());
    let how = workers(1).monitor(std::sync::Arc::clone(&monitor));
    let stopped = run_with_letters(&disk, fs(&disk), &how, |record| {
        if record.starts_with(b"4-") {
            monitor.stop();
            return Err(Failed::permanent("interrupted"));
        }
        Ok(result(record))
    })
    .unwrap();
    assert_eq!((stopped.stopped, stopped.records, stopped.failed), (true, 4, 0));
    let done =
        run_with_letters(&disk, fs(&disk), &workers(1), |record| Ok(result(record))).unwrap();
    assert_eq!((done.records, done.failed, letters(&disk).len()), (9, 0, 0));
    assert!(disk.bytes(OUT).unwrap() == wanted(&input));
}

/// A piece that was not begun when a later one failed, and one that waits for its next attempt then.
#[test]
fn what_comes_before_a_failed_piece_is_still_done() {
    let input = lines(9);
    for retries in [0, 1] {
        let (disk, calls) = (disk(1, &input), Calls::default());
        let how = workers(3).retries(retries, Duration::from_millis(300));
        let failed = super::run(fs(&disk), &how, |record| {
            calls.add(record);
            match (record[0], calls.of(record)) {
                // Later pieces fail meanwhile.
                (b'0', 1) if retries > 0 => Err(Failed::transient("busy")),
                (b'0' | b'1', _) => {
                    std::thread::sleep(Duration::from_millis(50));
                    Ok(result(record))
                }
                _ => Err(Failed::permanent("no")),
            }
        });
        assert!(matches!(failed, Err(Error::PieceFailed { line: 3, .. })), "{failed:?}");
        let part = disk.bytes("/out.part").unwrap();
        assert_eq!(part, [result(b"0-"), result(b"1-xxxxxxx")].concat(), "{retries} retries");
    }
}
