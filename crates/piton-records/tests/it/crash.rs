//! Crashes and errors at every operation of a job: the output is what an uninterrupted run writes.

use std::sync::Arc;

use piton_durable::fs::Fs;
use piton_records::Framing;
use piton_testkit::disk::{Broken, Crash, Failure, Fault, Sabotage, SimDisk, When};

use crate::harness::{OUT, Work, disk, fs, lines, wanted};
use crate::tampered::{Rule, Tampered};

const COUNT: usize = 12;

type Breaking<'a> = &'a dyn Fn(SimDisk) -> Arc<dyn Fs>;

fn whole(disk: SimDisk) -> Arc<dyn Fs> {
    Arc::new(disk)
}

/// Crashes at every operation, `turns` times in a row at later and later ones, then runs to the end. What differs is the
/// error.
fn crash_everywhere(
    work: Work,
    input: &[u8],
    seeds: u64,
    break_it: Breaking<'_>,
) -> Result<u64, String> {
    let untouched = disk(1, input);
    work.run(break_it(untouched.clone())).unwrap();
    let before = if work.append { "before\n" } else { "" };
    let (operations, mut cases) = (untouched.operations(), 0);
    let whole = [before.as_bytes(), &expected(work, input)].concat();
    for crash in [Crash::Kill, Crash::Power] {
        for at in 1..=operations {
            for (when, seed) in [When::Before, When::Half, When::After]
                .iter()
                .flat_map(|when| (1..=seeds).map(move |seed| (*when, seed)))
            {
                let disk = disk(seed, input);
                if work.append {
                    disk.put(OUT, before.as_bytes());
                }
                for turn in 0..3 {
                    disk.inject(Fault { at: at + turn * 7, failure: Failure::Crash(crash, when) });
                    let _ = work.run(break_it(disk.clone()));
                    disk.crash(crash);
                    disk.restart();
                }
                let what = format!("{crash:?} {when:?} at {at}, seed {seed}");
                work.run(break_it(disk.clone())).map_err(|error| format!("{what}: {error}"))?;
                // The end is durable.
                disk.crash(Crash::Power);
                disk.restart();
                let out = disk.bytes(OUT).unwrap_or_default();
                if out != whole {
                    let out = String::from_utf8_lossy(&out).into_owned();
                    return Err(format!("{what}: {out}"));
                }
                // And there is nothing to do.
                work.run(break_it(disk.clone()))
                    .map_err(|error| format!("{what}, again: {error}"))?;
                if disk.bytes(OUT).unwrap_or_default() != whole {
                    return Err(format!("{what}: it changed when it was finished"));
                }
                cases += 1;
            }
        }
    }
    Ok(cases)
}

fn expected(work: Work, input: &[u8]) -> Vec<u8> {
    match work.framing {
        Framing::Delimited(_) => wanted(input),
        Framing::Chunks(size) => input
            .chunks(usize::try_from(size.get()).unwrap())
            .flat_map(crate::harness::result)
            .collect(),
        _ => panic!("no such framing here"),
    }
}

#[test]
fn at_every_operation_of_a_job() {
    let cases = crash_everywhere(Work::default(), &lines(COUNT), 3, &whole).unwrap();
    assert!(cases > 1000, "{cases}");
}

#[test]
fn at_every_operation_of_a_job_that_appends() {
    let work = Work { append: true, ..Work::default() };
    crash_everywhere(work, &lines(COUNT), 2, &whole).unwrap();
}

#[test]
fn at_every_operation_of_a_job_with_a_json_state() {
    let work = Work { json: true, ..Work::default() };
    crash_everywhere(work, &lines(6), 1, &whole).unwrap();
}

#[test]
fn at_every_operation_of_a_job_of_chunks_with_few_syncs() {
    let framing = Framing::Chunks(10.try_into().unwrap());
    let work = Work { framing, commit: 2, sync: 100, ..Work::default() };
    crash_everywhere(work, &lines(COUNT), 2, &whole).unwrap();
}

#[test]
fn an_error_at_every_operation_is_an_error_or_the_right_result() {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    let input = lines(COUNT);
    for (json, crash) in [(false, Crash::Kill), (false, Crash::Power), (true, Crash::Power)] {
        let work = Work { json, ..Work::default() };
        let untouched = disk(1, &input);
        work.run(fs(&untouched)).unwrap();
        for failure in [Failure::Error(EIO), Failure::Error(ENOSPC), Failure::Short] {
            for at in 1..=untouched.operations() {
                let disk = disk(1, &input);
                disk.inject(Fault { at, failure });
                let first = work.run(fs(&disk));
                if failure == Failure::Short {
                    assert!(first.is_ok(), "short at {at}: {first:?}");
                }
                // What a failed sync lost is lost now, or is only seen, until the power goes.
                disk.crash(crash);
                disk.restart();
                let what = format!("{failure:?} at {at}, then {crash:?}");
                work.run(fs(&disk)).unwrap_or_else(|error| panic!("{what}: {error}"));
                disk.crash(Crash::Power);
                disk.restart();
                assert_eq!(disk.bytes(OUT).unwrap(), wanted(&input), "{what}");
            }
        }
    }
}

#[test]
fn rules_of_the_disk_that_are_broken_are_caught() {
    for broken in [
        Broken::RecordBeforeDataSync,
        Broken::JournalNotSynced,
        Broken::CompactionWithoutSync,
        Broken::NoDirectorySync,
    ] {
        let caught = crash_everywhere(Work::default(), &lines(COUNT), 3, &|disk| {
            Arc::new(Sabotage::new(disk, broken))
        });
        assert!(caught.is_err(), "{broken:?} was not noticed");
    }
}

#[test]
fn an_output_that_is_not_cut_back_is_caught() {
    let caught = crash_everywhere(Work::default(), &lines(COUNT), 2, &|disk| {
        Tampered::new(disk, Rule::NoCut)
    });
    assert!(caught.is_err());
}
