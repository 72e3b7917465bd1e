//! Whole runs and resumes, for each form.

use std::num::NonZeroU64;

use piton_records::Framing;

use super::{available, builder, disk_with, forms, run, run_to, text};
use crate::harness::{OUT, wanted};

fn wanted_lines(input: &[u8]) -> Vec<u8> {
    wanted(input.strip_suffix(b"\n").unwrap())
}

#[test]
fn records_are_those_of_the_plain_file() {
    if !available() {
        return;
    }
    let inputs = [text(30_000), text(1), b"no line end".to_vec(), b"\n\n".to_vec()];
    for form in forms() {
        for (index, input) in inputs.iter().enumerate() {
            let disk = disk_with(&form, input);
            run(builder(&disk), Framing::LINES)
                .unwrap_or_else(|error| panic!("{}: {error}", form.name));
            let right =
                disk.bytes(OUT).unwrap() == wanted(input.strip_suffix(b"\n").unwrap_or(input));
            assert!(right, "{} of input {index}", form.name);
        }
        let chunks = Framing::Chunks(NonZeroU64::new(70_001).unwrap());
        let disk = disk_with(&form, &inputs[0]);
        run(builder(&disk), chunks).unwrap();
        let wanted: Vec<u8> = inputs[0].chunks(70_001).flat_map(crate::harness::result).collect();
        assert!(disk.bytes(OUT).unwrap() == wanted, "{} in chunks", form.name);
    }
}

#[test]
fn an_empty_file_of_each_form_has_no_records() {
    if !available() {
        return;
    }
    for form in forms() {
        let disk = disk_with(&form, b"");
        // Cut into no pieces it is an empty file, which is plain.
        run(builder(&disk), Framing::LINES)
            .unwrap_or_else(|error| panic!("{}: {error}", form.name));
        assert_eq!(disk.bytes(OUT).unwrap(), b"", "{}", form.name);
    }
}

#[test]
fn many_resumes_in_a_row_decode_no_more_again_than_the_format_forces() {
    if !available() {
        return;
    }
    let input = text(40_000);
    for form in forms() {
        let disk = disk_with(&form, &input);
        let mut most = 0;
        for turn in 1..=23_u64 {
            // In steps that fall anywhere, some of them a single record.
            let stop = turn * 1700 - if turn % 5 == 0 { 1699 } else { turn * 7 };
            let ran = run_to(builder(&disk), Framing::LINES, stop);
            let (replays, offset) = ran.unwrap_or_else(|error| panic!("{}: {error}", form.name));
            assert!(
                replays <= form.again,
                "{}: {replays} decoded again before {offset}",
                form.name
            );
            assert!(turn == 1 || replays <= offset);
            most = most.max(replays);
            disk.restart();
        }
        assert!(most > 0, "{}: no resume inside", form.name);
        run(builder(&disk), Framing::LINES).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}

#[test]
fn each_record_in_a_row_is_a_place_to_resume() {
    if !available() {
        return;
    }
    // Blocks are smaller than what this has: resumes come before, at and behind their ends.
    let input = text(80);
    for form in forms() {
        let disk = disk_with(&form, &input);
        for stop in 1..=80 {
            run_to(builder(&disk), Framing::LINES, stop)
                .unwrap_or_else(|error| panic!("{} at {stop}: {error}", form.name));
            disk.restart();
        }
        run(builder(&disk), Framing::LINES).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}

#[test]
fn records_that_are_longer_than_what_is_read_at_once() {
    if !available() {
        return;
    }
    let line =
        |seed: usize| (0..700_000 + seed).map(move |at| b'a' + ((at * at + seed) % 23) as u8);
    let input: Vec<u8> = (0..4).flat_map(|seed| line(seed).chain(std::iter::once(b'\n'))).collect();
    for form in forms() {
        let disk = disk_with(&form, &input);
        for stop in [1, 2, 2, 3, 4] {
            run_to(builder(&disk), Framing::LINES, stop).unwrap();
            disk.restart();
        }
        run(builder(&disk), Framing::LINES).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}

#[test]
fn the_records_before_a_long_one_are_done() {
    if !available() {
        return;
    }
    let long = "z".repeat(600_000);
    let input = format!("one\ntwo\n{long}\nfour\n").into_bytes();
    for form in forms() {
        let disk = disk_with(&form, &input);
        let error = run(builder(&disk).max_record(500_000), Framing::LINES).unwrap_err();
        let piton_records::Error::RecordTooLong { offset: 8, record: 3, .. } = error else {
            panic!("{}: {error}", form.name)
        };
        disk.restart();
        assert_eq!(disk.bytes("/out.part").unwrap(), wanted(b"one\ntwo"));
        run(builder(&disk), Framing::LINES).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}
