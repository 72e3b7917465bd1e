//! The cadence: a result of slow work survives at once, fast work costs no sync per result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use piton_durable::fs::OsFs;
use piton_records::Job;
use piton_testkit::disk::Crash;

use crate::harness::{OUT, SOURCE, disk, fs};

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
