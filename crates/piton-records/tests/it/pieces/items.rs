//! Ranges, files and the program's own iterators, one by one and in pieces.

use std::path::PathBuf;

use piton_records::parallel::{Failed, Order};
use piton_records::{Checkpoints, Error, Job};
use piton_testkit::disk::SimDisk;

use super::{records, sorted, workers};
use crate::harness::{OUT, fs};

fn open(disk: &SimDisk) -> Job {
    let checkpoints = Checkpoints::Records { commit: 1, sync: 3 };
    let mut job =
        Job::builder("/job").file_system(fs(disk)).checkpoints(checkpoints).open().unwrap();
    job.output(OUT).unwrap();
    job
}

#[test]
fn a_range_in_pieces_is_continued_by_another_number_of_workers() {
    for order in [Order::Source, Order::Any] {
        let disk = SimDisk::seeded(1);
        let mut turns = 0;
        loop {
            turns += 1;
            let mut job = open(&disk);
            let how = workers(turns).size(records(3)).order(order);
            let done = job.par_range(100..160, &how, |number| match number.value {
                value if value > 105 + turns as u64 * 20 => Err(Failed::permanent("later")),
                value => Ok(format!("{value}\n")),
            });
            match done {
                Ok(done) => {
                    assert_eq!(done.records, 60);
                    job.finish().unwrap();
                    break;
                }
                Err(Error::PieceFailed { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(turns, 3);
        let wanted: String = (100..160).map(|number| format!("{number}\n")).collect();
        let out = disk.bytes(OUT).unwrap();
        match order {
            Order::Source => assert_eq!(String::from_utf8(out).unwrap(), wanted),
            Order::Any => assert_eq!(sorted(&out), sorted(wanted.as_bytes())),
        }
    }
}

fn folder(disk: &SimDisk, names: &[&str]) {
    let fs = fs(disk);
    for dir in ["/d", "/d/b", "/d/b/z"] {
        // It may be there.
        let _ = fs.create_dir(std::path::Path::new(dir));
    }
    names.iter().for_each(|name| disk.put(name, name.as_bytes()));
}

#[test]
fn files_come_in_the_order_of_their_names_and_continue_behind_the_last() {
    let disk = SimDisk::seeded(1);
    let all = ["/d/a", "/d/b/1", "/d/b/z/x", "/d/c"];
    folder(&disk, &["/d/c", "/d/b/z/x", "/d/b/1", "/d/a"]);
    let mut seen = Vec::new();
    for turn in 0..4 {
        let mut job = open(&disk);
        for file in job.files("/d").unwrap() {
            let file = file.unwrap();
            if seen.len() > turn {
                break;
            }
            seen.push(file.value.clone());
        }
        // The last one of each turn is done when the next is asked for.
    }
    let mut job = open(&disk);
    let left = job.files("/d").unwrap().count();
    job.finish().unwrap();
    assert_eq!(left, 0);
    assert_eq!(seen, all.map(PathBuf::from));
}

#[test]
fn files_that_were_added_before_the_position_stop_the_job() {
    for (name, stops) in [("/d/b/0", true), ("/d/bb", false)] {
        let disk = SimDisk::seeded(1);
        folder(&disk, &["/d/a", "/d/b/1", "/d/c"]);
        let mut job = open(&disk);
        let how = workers(2);
        let first = job.par_files("/d", &how, |file| match file.value.ends_with("c") {
            true => Err(Failed::permanent("later")),
            false => Ok(file.value.to_string_lossy().into_owned()),
        });
        assert!(matches!(first, Err(Error::PieceFailed { line: 3, .. })), "{first:?}");
        drop(job);
        disk.put(name, b"new");
        let mut job = open(&disk);
        let again = job.par_files("/d", &how, |file| Ok(file.value.to_string_lossy().into_owned()));
        match again {
            Err(Error::FilesChanged { files: 2, .. }) => assert!(stops, "{name}"),
            Ok(done) => {
                assert_eq!((stops, done.records), (false, 4), "{name}");
                job.finish().unwrap();
                assert_eq!(disk.bytes(OUT).unwrap(), b"/d/a/d/b/1/d/bb/d/c");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn positions_of_the_programs_own_in_pieces() {
    let disk = SimDisk::seeded(1);
    let items = |from: Option<String>| {
        let all = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let skip = from.map_or(0, |from| 1 + all.iter().position(|it| *it == from).unwrap());
        all.into_iter().skip(skip).map(|name| (name.clone(), name.to_uppercase()))
    };
    let mut job = open(&disk);
    let how = workers(2).order(Order::Source);
    let first = job.par_positions(items, &how, |item| match item.value.as_str() {
        "C" => Err(Failed::permanent("later")),
        other => Ok(other.to_owned()),
    });
    assert!(matches!(first, Err(Error::PieceFailed { line: 3, .. })), "{first:?}");
    drop(job);
    assert_eq!(disk.bytes("/out.part").unwrap(), b"AB");
    let mut job = open(&disk);
    let done = job.par_positions(items, &how, |item| Ok(item.value.clone())).unwrap();
    job.finish().unwrap();
    assert_eq!((done.records, done.failed), (5, 0));
    assert_eq!(disk.bytes(OUT).unwrap(), b"ABCDE");
}
