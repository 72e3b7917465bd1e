//! How a program uses a job: sources of all kinds, mistakes, and the marks of finished jobs.

use std::num::NonZeroU64;

use piton_durable::fs::OsFs;
use piton_records::{Checkpoints, Error, Framing, Growth, Job};
use piton_testkit::disk::SimDisk;

use crate::harness::{OUT, SOURCE, Work, disk, fs, lines, result, wanted};

fn job(disk: &SimDisk) -> Job {
    let how = Checkpoints::Records { commit: 1, sync: 1 };
    Job::builder("/job").file_system(fs(disk)).checkpoints(how).open().unwrap()
}

#[test]
fn records_know_where_they_are() {
    let disk = disk(1, b"one\ntwo\n\nlast");
    let mut job = job(&disk);
    let records: Vec<_> = job.lines(SOURCE).unwrap().map(Result::unwrap).collect();
    let seen: Vec<_> =
        records.iter().map(|it| (it.bytes(), it.raw(), it.offset(), it.line())).collect();
    let all: [(&[u8], &[u8], u64, u64); 4] = [
        (b"one", b"one\n", 0, 1),
        (b"two", b"two\n", 4, 2),
        (b"", b"\n", 8, 3),
        (b"last", b"last", 9, 4),
    ];
    assert_eq!(seen, all);
    let mut ids: Vec<_> = records.iter().map(piton_records::Record::id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    job.finish().unwrap();
}

/// Records longer than a read, kept by the caller, and batches without number.
#[test]
fn records_of_all_sizes_survive_their_batches() {
    let input: Vec<u8> = (0..300_u32)
        .flat_map(|n| {
            let len = if n % 50 == 0 { 400_000 } else { n as usize * 17 };
            let mut line = vec![b'a' + (n % 26) as u8; len];
            line.push(0);
            line
        })
        .collect();
    let disk = disk(1, &input);
    let mut job = job(&disk);
    let kept: Vec<_> = job.delimited(SOURCE, 0).unwrap().map(Result::unwrap).collect();
    let joined: Vec<u8> = kept.iter().flat_map(|record| record.raw().to_vec()).collect();
    assert!(joined == input);
    assert_eq!(kept.len(), 300);
}

#[test]
fn csv_and_chunks() {
    let disk = disk(1, b"a,\"x\ny\"\r\nb,c\r\n");
    let mut job = job(&disk);
    let rows: Vec<_> = job.csv(SOURCE).unwrap().map(|it| it.unwrap().bytes().to_vec()).collect();
    assert_eq!(rows, [b"a,\"x\ny\"".to_vec(), b"b,c".to_vec()]);
    drop(job);
    let mut job = Job::builder("/other").file_system(fs(&disk)).open().unwrap();
    let size = NonZeroU64::new(6).unwrap();
    let chunks: Vec<_> =
        job.chunks(SOURCE, size).unwrap().map(|it| it.unwrap().bytes().len()).collect();
    assert_eq!(chunks, [6, 6, 2]);
}

#[test]
fn a_range_resumes() {
    let disk = SimDisk::seeded(1);
    let run = |stop: u64| -> Result<Vec<u64>, Error> {
        let mut job = job(&disk);
        let mut out = job.output(OUT)?;
        let mut seen = Vec::new();
        for item in job.range(10..20)? {
            let item = item?;
            seen.push(*item);
            out.line(&item, item.to_string())?;
            if *item == stop {
                return Ok(seen);
            }
        }
        job.finish()?;
        Ok(seen)
    };
    assert_eq!(run(13).unwrap(), [10, 11, 12, 13]);
    assert_eq!(run(15).unwrap(), [13, 14, 15]);
    assert_eq!(run(99).unwrap(), [15, 16, 17, 18, 19]);
    assert_eq!(run(99).unwrap(), [0_u64; 0]);
    let all: String = (10..20).map(|n| format!("{n}\n")).collect();
    assert_eq!(disk.bytes(OUT).unwrap(), all.as_bytes());
}

#[test]
fn any_iterator_with_positions_resumes() {
    #[derive(serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
    struct Page {
        cursor: String,
    }
    let disk = SimDisk::seeded(1);
    let run = |stop: usize| -> Result<(Option<Page>, Vec<u32>), Error> {
        let mut job = job(&disk);
        let mut out = job.output(OUT)?;
        let mut from = None;
        let items = job.positions(|done: Option<Page>| {
            from = done.clone();
            let next = done.map_or(0, |page| page.cursor.parse::<u32>().unwrap());
            (next..6).map(|n| (Page { cursor: (n + 1).to_string() }, n))
        })?;
        let mut seen = Vec::new();
        for item in items {
            let item = item?;
            seen.push(item.value);
            out.line(&item, item.value.to_string())?;
            if seen.len() == stop {
                return Ok((from, seen));
            }
        }
        job.finish()?;
        Ok((from, seen))
    };
    assert_eq!(run(3).unwrap(), (None, vec![0, 1, 2]));
    assert_eq!(run(9).unwrap(), (Some(Page { cursor: "2".to_owned() }), vec![2, 3, 4, 5]));
    assert_eq!(disk.bytes(OUT).unwrap(), b"0\n1\n2\n3\n4\n5\n");
}

#[test]
fn without_an_output_the_position_alone_counts() {
    let disk = disk(1, b"a\nb\nc\nd\n");
    let run = |stop: usize| {
        let mut job = job(&disk);
        let mut seen = Vec::new();
        for record in job.lines(SOURCE).unwrap() {
            seen.push(record.unwrap().bytes()[0]);
            if seen.len() == stop {
                return seen;
            }
        }
        job.finish().unwrap();
        seen
    };
    assert_eq!(run(2), b"ab");
    assert_eq!(run(9), b"bcd");
    assert_eq!(run(9), b"");
}

#[test]
fn a_job_with_something_else_is_refused() {
    let disk = disk(1, &lines(5));
    let work = Work { commit: 1, sync: 1, ..Work::default() };
    work.run_to(fs(&disk), 3).unwrap();
    let differs = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::JobDiffers { .. }), "{error:?}");
        disk.restart();
    };
    disk.restart();
    differs(Work { framing: Framing::CSV, ..work }.run(fs(&disk)));
    differs(Work { append: true, ..work }.run(fs(&disk)));
    differs(job(&disk).output("/elsewhere").map(drop));
    differs(job(&disk).lines(SOURCE).map(drop));
    let mut other = job(&disk);
    let out = other.output(OUT).unwrap();
    differs(other.range(0..9).map(drop));
    drop((out, other));
    disk.restart();
    work.run(fs(&disk)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(5)));
}

#[test]
fn a_folder_that_was_moved_continues() {
    let folder = tempfile::tempdir().unwrap();
    let run = |dir: &str, stop: u64| -> Result<(), Error> {
        let path = |name: &str| folder.path().join(dir).join(name);
        let how = Checkpoints::Records { commit: 1, sync: 1 };
        let mut job = Job::builder(path("job")).checkpoints(how).open()?;
        let mut out = job.output(path("out"))?;
        for record in job.lines(path("in"))? {
            let record = record?;
            out.write(&record, result(&record))?;
            if record.line() == stop {
                return Ok(());
            }
        }
        job.finish()
    };
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    std::fs::create_dir(&one).unwrap();
    std::fs::write(one.join("in"), lines(5)).unwrap();
    run("one", 3).unwrap();
    std::fs::rename(&one, &two).unwrap();
    run("two", 9).unwrap();
    assert_eq!(std::fs::read(two.join("out")).unwrap(), wanted(&lines(5)));
}

#[test]
fn mistakes_are_errors() {
    let disk = disk(1, &lines(5));
    let mut first = job(&disk);
    let mut out = first.output(OUT).unwrap();
    assert!(matches!(first.output("/b").map(drop), Err(Error::Order(_))));
    // The output has gone with its name.
    drop((first, out));
    disk.restart();
    let mut second = job(&disk);
    out = second.output(OUT).unwrap();
    let mut records = second.lines(SOURCE).unwrap();
    assert!(matches!(second.lines(SOURCE).map(drop), Err(Error::Order(_))));
    let one = records.next().unwrap().unwrap();
    let two = records.next().unwrap().unwrap();
    assert!(matches!(out.write(&one, b"late"), Err(Error::NotCurrent { .. })));
    out.write(&two, b"in time").unwrap();
    drop(records);
    assert!(matches!(out.write(&two, b"late"), Err(Error::NotCurrent { .. })));
    assert!(matches!(second.finish(), Err(Error::NotExhausted)));
    drop(out);
    assert_eq!(disk.bytes("/out.part").unwrap(), b"");
}

#[test]
fn a_finished_job_has_nothing_to_do() {
    let disk = disk(1, &lines(5));
    let work = Work::default();
    work.run(fs(&disk)).unwrap();
    for _ in 0..3 {
        disk.restart();
        let mut job = work.builder(fs(&disk)).open().unwrap();
        let _out = job.output(OUT).unwrap();
        assert_eq!(job.lines(SOURCE).unwrap().count(), 0);
        assert!(job.is_finished());
        job.finish().unwrap();
    }
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(5)));
    // A source that grew is no reason to call it finished.
    disk.restart();
    disk.put(SOURCE, &[lines(5), b"\nmore\n".to_vec()].concat());
    for growth in [Growth::Refuse, Growth::Accept] {
        let mut job = work.builder(fs(&disk)).growth(growth).open().unwrap();
        let _out = job.output(OUT).unwrap();
        assert!(matches!(job.lines(SOURCE).map(drop), Err(Error::SourceChanged { .. })));
        drop((_out, job));
        disk.restart();
    }
}

#[test]
fn on_a_real_disk_with_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let input: Vec<u8> = (0..200_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    std::fs::write(path("in"), &input).unwrap();
    let run = |stop: u64| -> Result<(), Error> {
        let mut job = Job::builder(path("job")).file_system(std::sync::Arc::new(OsFs)).open()?;
        let mut out = job.output(path("out"))?;
        for record in job.lines(path("in"))? {
            let record = record?;
            out.write(&record, result(&record))?;
            if record.line() == stop {
                return Ok(());
            }
        }
        job.finish()
    };
    for stop in [10, 70_000, 70_001, 199_999, 200_000] {
        run(stop).unwrap();
        assert!(!path("out").exists());
    }
    run(u64::MAX).unwrap();
    assert!(std::fs::read(path("out")).unwrap() == wanted(input.strip_suffix(b"\n").unwrap()));
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["in", "job.piton-job", "out"]);
}

#[test]
fn a_link_to_an_output_is_followed_and_a_fifo_is_no_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("in"), "a\nb\n").unwrap();
    std::fs::write(path("real"), "before\n").unwrap();
    std::os::unix::fs::symlink("real", path("out")).unwrap();
    let mut job = Job::open(path("job")).unwrap();
    let mut out = job.append(path("out")).unwrap();
    for record in job.lines(path("in")).unwrap() {
        let record = record.unwrap();
        out.line(&record, &record).unwrap();
    }
    job.finish().unwrap();
    assert!(path("out").is_symlink());
    assert_eq!(std::fs::read_to_string(path("real")).unwrap(), "before\na\nb\n");

    let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    assert!(made.success());
    let mut job = Job::open(path("other")).unwrap();
    assert!(matches!(job.lines(path("fifo")).map(drop), Err(Error::NotAFile { .. })));
}

#[test]
fn commit_now_makes_what_is_done_durable() {
    let disk = disk(1, &lines(5));
    let mut job =
        Job::builder("/job").file_system(fs(&disk)).checkpoints(Checkpoints::AtEnd).open().unwrap();
    let mut out = job.output(OUT).unwrap();
    let mut records = job.lines(SOURCE).unwrap();
    for _ in 0..3 {
        let record = records.next().unwrap().unwrap();
        out.write(&record, result(&record)).unwrap();
    }
    job.commit_now().unwrap();
    disk.crash(piton_testkit::disk::Crash::Power);
    drop((records, out, job));
    disk.restart();
    let done: Vec<u8> = lines(5).split(|byte| *byte == b'\n').take(2).flat_map(result).collect();
    assert_eq!(disk.bytes("/out.part").unwrap(), done);
    Work::default().run(fs(&disk)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&lines(5)));
}
