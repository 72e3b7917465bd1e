//! The cadence: a result of slow work survives at once, fast work costs no sync per result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_durable::fs::{Fs, OsFs};
use piton_durable::held::HeldError;
use piton_records::{Checkpoints, Error, Job};
use piton_testkit::disk::Crash;

use crate::harness::{OUT, SOURCE, disk, fs, lines, result, wanted};
use crate::tampered::{Rule, Tampered};

#[test]
fn each_result_of_slow_work_survives_a_power_cut_when_the_next_one_begins() {
    for seed in 1..4 {
        let disk = disk(seed, b"a\nb\nc\nd\n");
        let mut job = Job::builder("/job").file_system(fs(&disk)).open().unwrap();
        let mut out = job.output(OUT).unwrap();
        for record in job.lines(SOURCE).unwrap() {
            let record = record.unwrap();
            if record.line() == 4 {
                // Within a second of the start: no sync in the background was due yet.
                disk.crash(Crash::Power);
                break;
            }
            out.line(&record, &record).unwrap();
            // A call of a paid service.
            std::thread::sleep(Duration::from_millis(150));
        }
        drop((out, job));
        disk.restart();
        let mut job = Job::builder("/job").file_system(fs(&disk)).open().unwrap();
        let _out = job.output(OUT).unwrap();
        let next = job.lines(SOURCE).unwrap().next().unwrap().unwrap();
        assert_eq!((next.line(), disk.bytes("/out.part").unwrap()), (4, b"a\nb\nc\n".to_vec()));
    }
}

#[test]
fn fast_work_is_committed_ten_times_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("in"), "line\n".repeat(2_000_000)).unwrap();
    let fs = Arc::new(OsFs);
    let mut job = Job::builder(path("job")).file_system(fs).open().unwrap();
    let mut out = job.output(path("out")).unwrap();
    let (mut lens, began) = (std::collections::BTreeSet::new(), Instant::now());
    for record in job.lines(path("in")).unwrap() {
        let record = record.unwrap();
        if record.line() % 50 == 0 {
            out.write(&record, b"x").unwrap();
            lens.insert(std::fs::metadata(path("out.part")).unwrap().len());
        }
        if began.elapsed() > Duration::from_millis(1500) {
            break;
        }
    }
    // About fifteen: not one, and not one for each of thousands of results.
    assert!((3..40).contains(&lens.len()), "{lens:?}");
}

#[test]
fn a_sync_that_failed_in_the_background_ends_the_run_and_is_not_believed() {
    let input = lines(1_000_000);
    for seed in 1..3 {
        let disk = disk(seed, &input);
        // The first is that of the first commit, the second comes after a second, on its own thread.
        let tampered = Tampered::new(disk.clone(), Rule::FailsSync { at: 2 });
        let fs = Arc::clone(&tampered) as Arc<dyn Fs>;
        let run = || -> Result<(), Error> {
            let mut job = Job::builder("/job").file_system(fs).open()?;
            let mut out = job.output(OUT)?;
            for record in job.lines(SOURCE)? {
                let record = record?;
                out.write(&record, result(&record))?;
                if record.line() % 1000 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            job.finish()
        };
        let error = run().unwrap_err();
        assert!(matches!(error, Error::Output(HeldError::Io { .. })), "{error}");
        assert_eq!(tampered.syncs(), 2, "it was synced again");
        disk.crash(Crash::Power);
        disk.restart();
        let how = Checkpoints::AtEnd;
        let mut job = Job::builder("/job")
            .file_system(crate::harness::fs(&disk))
            .checkpoints(how)
            .open()
            .unwrap();
        let mut out = job.output(OUT).unwrap();
        let records = job.lines(SOURCE).unwrap();
        crate::harness::each(records, |record| out.write(record, result(record))).unwrap();
        job.finish().unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted(&input));
    }
}
