//! Pieces of a compressed source that run in parallel: a commit names a restart point for a position that was read past
//! long ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use piton_records::parallel::Monitor;

use super::{available, few, text};
use crate::harness::{OUT, disk, fs, result, wanted};
use crate::pieces::{bytes, records, run, workers};

#[test]
fn pieces_in_parallel_resume_where_the_slowest_one_was() {
    if !available() {
        return;
    }
    let input = text(20_000);
    for form in few() {
        for size in [records(50), bytes(30_000)] {
            let disk = disk(1, &form.made(&input));
            let calls = AtomicU64::new(0);
            let mut runs = 0;
            loop {
                runs += 1;
                let monitor = Arc::new(Monitor::default());
                let how = workers(1 + runs % 4).size(size).monitor(Arc::clone(&monitor));
                let stop = calls.load(Ordering::Relaxed) + 3300;
                let done = run(fs(&disk), &how, |record| {
                    if calls.fetch_add(1, Ordering::Relaxed) >= stop {
                        monitor.stop();
                    }
                    Ok(result(record))
                });
                let done = done.unwrap_or_else(|error| panic!("{}: {error}", form.name));
                if runs > 1 {
                    let figures = monitor.figures();
                    assert!(figures.replays <= form.again, "{}: {figures:?}", form.name);
                    assert_eq!(figures.whole, None, "{}", form.name);
                }
                disk.restart();
                if !done.stopped {
                    break;
                }
            }
            assert!(runs > 3, "{}: {runs} runs", form.name);
            let right = disk.bytes(OUT).unwrap() == wanted(input.strip_suffix(b"\n").unwrap());
            assert!(right, "{} in pieces of {size}", form.name);
            // Nothing that was finished was done again.
            assert_eq!(calls.into_inner(), 20_000, "{}", form.name);
        }
    }
}

#[test]
fn the_first_record_is_kept_apart_and_long_ones_are_passed() {
    if !available() {
        return;
    }
    let long = "z".repeat(400_000);
    let input = [b"a header\n".to_vec(), text(3000), long.into_bytes(), b"\n".to_vec(), text(3000)];
    let input = input.concat();
    for form in few() {
        let disk = disk(1, &form.made(&input));
        let mut lines = 0;
        for turn in 0..40 {
            let checkpoints = piton_records::Checkpoints::Records { commit: 1, sync: 3 };
            let job = piton_records::Job::builder("/job").file_system(fs(&disk));
            let mut job = job.checkpoints(checkpoints).max_record(300_000).open().unwrap();
            job.dead_letters("/letters").unwrap();
            job.output(OUT).unwrap();
            let monitor = Arc::new(Monitor::default());
            let how = workers(3).size(records(40)).header(true).monitor(Arc::clone(&monitor));
            let framing = piton_records::Framing::LINES;
            let seen = AtomicU64::new(0);
            let done = job
                .par_map("/in", framing, &how, |record| {
                    assert_ne!(&**record, b"a header");
                    if seen.fetch_add(1, Ordering::Relaxed) == 1000 + turn {
                        monitor.stop();
                    }
                    Ok(result(record))
                })
                .unwrap();
            lines += seen.into_inner();
            if !done.stopped {
                job.finish().unwrap();
                break;
            }
            drop(job);
            disk.restart();
        }
        assert_eq!(lines, 6000, "{}", form.name);
        let out = disk.bytes(OUT).unwrap();
        let wanted = [text(3000), text(3000)].concat();
        assert!(
            out == crate::harness::wanted(wanted.strip_suffix(b"\n").unwrap()),
            "{}",
            form.name
        );
    }
}
