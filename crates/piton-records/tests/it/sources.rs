//! What is noticed of a source that is not what was read before.

use piton_records::{Builder, Changed, Error, Framing, Growth, Job, SourceChange};
use piton_testkit::disk::SimDisk;

use crate::harness::{OUT, SOURCE, Work, disk, each, fs, result, wanted};

fn work() -> Work {
    Work { commit: 1, sync: 1, ..Work::default() }
}

/// Lines that end with a line end, about 100 KiB.
fn input() -> Vec<u8> {
    (0..4000).flat_map(|n| format!("line {n} {}\n", "y".repeat(n % 30)).into_bytes()).collect()
}

fn stopped(input: &[u8], at: u64) -> SimDisk {
    let disk = disk(1, input);
    let work = Work { commit: 1000, sync: 1, ..Work::default() };
    let mut job =
        work.builder(fs(&disk)).checkpoints(piton_records::Checkpoints::AtEnd).open().unwrap();
    let mut out = job.output(OUT).unwrap();
    for record in job.lines(SOURCE).unwrap() {
        let record = record.unwrap();
        out.write(&record, result(&record)).unwrap();
        if record.line() == at {
            break;
        }
    }
    drop((out, job));
    disk.restart();
    disk
}

fn resume(disk: &SimDisk, choose: impl Fn(Builder) -> Builder) -> Result<(), Error> {
    let how = piton_records::Checkpoints::AtEnd;
    let mut job = choose(work().builder(fs(disk)).checkpoints(how)).open()?;
    let mut out = job.output(OUT)?;
    each(job.lines(SOURCE)?, |record| out.write(record, result(record)))?;
    job.finish()
}

fn change(result: Result<(), Error>) -> SourceChange {
    match result {
        Err(Error::SourceChanged { change, .. }) => change,
        result => panic!("{result:?}"),
    }
}

/// What an uninterrupted run over whole lines writes.
fn wanted_lines(input: &[u8]) -> Vec<u8> {
    wanted(input.strip_suffix(b"\n").unwrap())
}

#[test]
fn a_copy_elsewhere_and_a_touch_are_the_same_source() {
    let disk = stopped(&input(), 3000);
    disk.exchange(SOURCE, &input());
    resume(&disk, |it| it).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted_lines(&input()));
}

#[test]
fn another_file_a_shorter_one_and_edits_are_noticed() {
    let whole = input();
    let edited = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 2;
        bytes
    };
    // 3000 lines are about 80 KiB: the head is longer than its hash.
    let done: usize =
        whole.split_inclusive(|byte| *byte == b'\n').take(2999).map(<[u8]>::len).sum();
    assert!(done > (64 << 10) + (4 << 10));
    type Wanted<'a> = &'a dyn Fn(SourceChange) -> bool;
    let cases: [(Vec<u8>, Wanted<'_>); 5] = [
        (whole[..done - 1].to_vec(), &|it| matches!(it, SourceChange::EndsBefore { .. })),
        (whole[..done + 100].to_vec(), &|it| matches!(it, SourceChange::Shrunk { .. })),
        (edited(0), &|it| matches!(it, SourceChange::Head { .. })),
        (edited((64 << 10) - 1), &|it| matches!(it, SourceChange::Head { .. })),
        (edited(done - 1), &|it| matches!(it, SourceChange::BeforePosition { .. })),
    ];
    for (bytes, wanted) in cases {
        let disk = stopped(&whole, 3000);
        disk.put(SOURCE, &bytes);
        let before = disk.bytes("/out.part");
        let change = change(resume(&disk, |it| it));
        assert!(wanted(change), "{change}");
        assert_eq!(disk.bytes("/out.part"), before);
    }
    // Edits in between are documented as not noticed, and noticed where all is verified.
    let middle = edited((64 << 10) + 10);
    let disk = stopped(&whole, 3000);
    disk.put(SOURCE, &middle);
    resume(&disk, |it| it).unwrap();
}

#[test]
fn with_verification_every_edit_is_noticed() {
    let whole = input();
    let start = |disk: &SimDisk| -> Result<(), Error> {
        let mut job = work().builder(fs(disk)).verify_source(true).open()?;
        let mut out = job.output(OUT)?;
        for record in job.lines(SOURCE)? {
            let record = record?;
            out.write(&record, result(&record))?;
            if record.line() == 3000 {
                break;
            }
        }
        Ok(())
    };
    let edited = disk(1, &whole);
    start(&edited).unwrap();
    edited.restart();
    let mut bytes = whole.clone();
    bytes[(64 << 10) + 10] ^= 2;
    edited.put(SOURCE, &bytes);
    assert!(matches!(
        change(resume(&edited, |it| it.verify_source(true))),
        SourceChange::Digest { .. }
    ));

    let same = disk(1, &whole);
    for _ in 0..3 {
        start(&same).unwrap();
        same.restart();
    }
    resume(&same, |it| it.verify_source(true)).unwrap();
    assert_eq!(same.bytes(OUT).unwrap(), wanted_lines(&whole));
}

#[test]
fn what_was_appended_is_read_only_if_that_is_accepted() {
    let disk = stopped(&input(), 3000);
    let longer = [input(), b"one more\n".to_vec()].concat();
    disk.put(SOURCE, &longer);
    let change = change(resume(&disk, |it| it));
    assert_eq!(change, SourceChange::Grew { was: input().len() as u64, now: longer.len() as u64 });
    disk.restart();
    resume(&disk, |it| it.growth(Growth::Accept)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted_lines(&longer));
}

#[test]
fn a_last_line_that_grew_stops_the_job_even_if_growth_is_accepted() {
    let short = b"one\ntwo\nthr".to_vec();
    let disk = disk(1, &short);
    let append = Work { append: true, ..work() };
    append.run(fs(&disk)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&short));
    disk.restart();
    disk.put(SOURCE, b"one\ntwo\nthree\nfour\n");
    for growth in [Growth::Refuse, Growth::Accept] {
        let mut job = append.builder(fs(&disk)).growth(growth).open().unwrap();
        let _out = job.append(OUT).unwrap();
        let error = job.lines(SOURCE).map(drop).unwrap_err();
        let Error::SourceChanged { change, .. } = error else { panic!("{error}") };
        assert_eq!(change, SourceChange::LastRecordGrew { was: 11, now: 19 });
        drop((_out, job));
        disk.restart();
    }
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(&short));
}

#[test]
fn a_finished_job_that_appends_continues_where_growth_is_accepted() {
    let disk = disk(1, b"one\ntwo\n");
    let append = Work { append: true, ..work() };
    append.run(fs(&disk)).unwrap();
    disk.restart();
    disk.put(SOURCE, b"one\ntwo\nthree\n");
    let error = append.run(fs(&disk)).unwrap_err();
    assert!(matches!(error, Error::SourceChanged { change: SourceChange::Grew { .. }, .. }));
    disk.restart();
    let mut job = append.builder(fs(&disk)).growth(Growth::Accept).open().unwrap();
    let mut out = job.append(OUT).unwrap();
    each(job.lines(SOURCE).unwrap(), |record| out.write(record, result(record))).unwrap();
    job.finish().unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted(b"one\ntwo\nthree"));
}

#[test]
fn a_rebase_continues_at_the_position_whatever_is_before_it() {
    let disk = stopped(&input(), 3000);
    let mut other = input();
    other[..5].copy_from_slice(b"LINE ");
    disk.put(SOURCE, &other);
    resume(&disk, |it| it.changed(Changed::Rebase)).unwrap();
    // What was done stays done.
    assert_eq!(disk.bytes(OUT).unwrap(), wanted_lines(&input()));
    // But not beyond the end.
    let disk = stopped(&input(), 3000);
    disk.put(SOURCE, b"short\n");
    let change = change(resume(&disk, |it| it.changed(Changed::Rebase)));
    assert!(matches!(change, SourceChange::EndsBefore { .. }));
}

#[test]
fn a_long_record_is_an_error_with_its_place_and_what_is_before_it_is_done() {
    let long = "z".repeat(600_000);
    let input = format!("one\ntwo\n{long}\nfour\n").into_bytes();
    let disk = disk(1, &input);
    let error = resume(&disk, |it| it.max_record(500_000)).unwrap_err();
    assert!(
        matches!(error, Error::RecordTooLong { offset: 8, record: 3, limit: 500_000, .. }),
        "{error}"
    );
    disk.restart();
    assert_eq!(disk.bytes("/out.part").unwrap(), wanted(b"one\ntwo"));
    resume(&disk, |it| it.max_record(700_000)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), wanted_lines(&input));
}

#[test]
fn a_quote_that_is_never_closed_is_an_error() {
    let disk = disk(1, b"a,b\nc,\"d\n");
    let csv = Work { framing: Framing::CSV, ..work() };
    let error = csv.run(fs(&disk)).unwrap_err();
    assert!(matches!(error, Error::UnclosedQuote { offset: 4, record: 2, .. }), "{error}");
}

#[test]
fn a_folder_is_no_source_and_a_missing_one_is_an_error() {
    let disk = SimDisk::seeded(1);
    fs(&disk).create_dir("/in".as_ref()).unwrap();
    assert!(matches!(work().run(fs(&disk)), Err(Error::NotAFile { .. })));
    let disk = SimDisk::seeded(1);
    assert!(matches!(work().run(fs(&disk)), Err(Error::Io { .. })));
}

#[test]
fn an_empty_source_gives_an_empty_output() {
    let disk = disk(1, b"");
    work().run(fs(&disk)).unwrap();
    assert_eq!(disk.bytes(OUT).unwrap(), b"");
}

#[test]
fn a_log_that_was_rotated_is_found_and_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let read = |file: &str, changed| -> Result<String, Error> {
        let mut job = Job::builder(path("job")).growth(Growth::Follow).changed(changed).open()?;
        let mut text = String::new();
        for record in job.lines(path(file))? {
            text.push_str(&String::from_utf8_lossy(record?.raw()));
        }
        job.commit_now()?;
        Ok(text)
    };
    std::fs::write(path("log"), "a\nb\nhalf").unwrap();
    assert_eq!(read("log", Changed::Stop).unwrap(), "a\nb\n", "the last line is not complete");
    std::fs::write(path("log"), "a\nb\nhalf a line\n").unwrap();
    std::fs::rename(path("log"), path("log.1")).unwrap();
    // Neither another file of such a name nor an old copy is taken for it.
    std::fs::write(path("log.2"), "a\nb\nhalf a line\n").unwrap();
    std::fs::write(path("log"), "c\n").unwrap();
    match read("log", Changed::Stop) {
        Err(Error::SourceRotated { old, .. }) => assert_eq!(old, path("log.1")),
        other => panic!("{other:?}"),
    }
    assert_eq!(read("log.1", Changed::Stop).unwrap(), "half a line\n");
    assert_eq!(read("log", Changed::FromStart).unwrap(), "c\n");
    assert_eq!(read("log", Changed::Stop).unwrap(), "");
    // Cut where it is, or rotated and removed: nobody knows what is missing.
    std::fs::remove_file(path("log")).unwrap();
    std::fs::write(path("log"), "d\n").unwrap();
    let gone = read("log", Changed::Stop);
    assert!(matches!(gone, Err(Error::SourceChanged { .. })), "{gone:?}");
}

#[test]
fn a_program_may_keep_the_position_itself() {
    use piton_records::{Bookmark, RecordFile};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    let input = crate::harness::lines(40);
    std::fs::write(&path, &input).unwrap();
    let (mut saved, mut seen): (Option<String>, Vec<Vec<u8>>) = (None, Vec::new());
    loop {
        let mut records = match &saved {
            None => RecordFile::open(&path, Framing::LINES).unwrap(),
            Some(saved) => {
                let bookmark: Bookmark = serde_json::from_str(saved).unwrap();
                RecordFile::from(&path, Framing::LINES, &bookmark).unwrap()
            }
        };
        let read = (&mut records).take(7).map(|record| record.unwrap().to_vec());
        let before = seen.len();
        seen.extend(read);
        saved = Some(serde_json::to_string(&records.bookmark().unwrap()).unwrap());
        assert_eq!(records.end().records, seen.len() as u64);
        if seen.len() == before {
            break;
        }
    }
    assert_eq!(seen, input.split(|byte| *byte == b'\n').collect::<Vec<_>>());
    let mut edited = input;
    edited[3] ^= 1;
    std::fs::write(&path, edited).unwrap();
    let bookmark: Bookmark = serde_json::from_str(&saved.unwrap()).unwrap();
    let changed = RecordFile::from(&path, Framing::LINES, &bookmark).map(drop);
    assert!(matches!(changed, Err(Error::SourceChanged { .. })), "{changed:?}");
}
