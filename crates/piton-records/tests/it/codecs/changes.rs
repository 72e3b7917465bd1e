//! What is noticed of a compressed source that is not what was read before, and the choices of a job.

use piton_records::{Changed, Compression, Error, Framing, Growth, SourceChange};
use piton_testkit::disk::SimDisk;

use super::forms::tool;
use super::{available, builder, disk_with, few, forms, run, run_to, text};
use crate::harness::{OUT, SOURCE, disk, each, fs, result, wanted};

fn wanted_lines(input: &[u8]) -> Vec<u8> {
    wanted(input.strip_suffix(b"\n").unwrap())
}

fn change(result: Result<u64, Error>) -> SourceChange {
    match result {
        Err(Error::SourceChanged { change, .. }) => change,
        result => panic!("{result:?}"),
    }
}

#[test]
fn a_member_frame_or_stream_that_was_appended_is_read_if_that_is_accepted() {
    if !available() {
        return;
    }
    let (first, second) = (text(9000), text(500));
    for form in forms().into_iter().filter(|form| form.name != "zeros behind") {
        let (old, new) = (form.made(&first), form.made(&second));
        let grown = [old.clone(), new].concat();
        let both = [first.clone(), second.clone()].concat();
        for stop in [100, 8990, 9000] {
            let disk = disk_with(&form, &first);
            run_to(builder(&disk), Framing::LINES, stop).unwrap();
            disk.restart();
            disk.put(SOURCE, &grown);
            let change = change(run(builder(&disk), Framing::LINES));
            assert!(matches!(change, SourceChange::Grew { .. }), "{}: {change}", form.name);
            disk.restart();
            run(builder(&disk).growth(Growth::Accept), Framing::LINES)
                .unwrap_or_else(|error| panic!("{} after {stop}: {error}", form.name));
            assert!(disk.bytes(OUT).unwrap() == wanted_lines(&both), "{} after {stop}", form.name);
        }
    }
}

/// A job that appends to its output, which does not end with the source.
fn append(disk: &SimDisk, growth: Growth) -> Result<(), Error> {
    let mut job = builder(disk).growth(growth).open()?;
    let mut out = job.append(OUT)?;
    each(job.lines(SOURCE)?, |record| out.write(record, result(record)))?;
    job.finish()
}

#[test]
fn a_finished_job_continues_with_what_was_appended() {
    if !available() {
        return;
    }
    let (first, second) = (text(900), text(500));
    for form in forms().into_iter().filter(|form| form.name != "zeros behind") {
        let disk = disk_with(&form, &first);
        append(&disk, Growth::Refuse).unwrap();
        disk.restart();
        append(&disk, Growth::Refuse).unwrap();
        disk.restart();
        disk.put(SOURCE, &[form.made(&first), form.made(&second)].concat());
        append(&disk, Growth::Accept).unwrap();
        let both = [first.clone(), second.clone()].concat();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&both), "{}", form.name);
    }
}

#[test]
fn a_last_line_without_end_that_grew_stops_the_job() {
    if !available() {
        return;
    }
    for form in forms().into_iter().filter(|form| form.name != "zeros behind") {
        let disk = disk_with(&form, b"one\ntwo\nthr");
        append(&disk, Growth::Accept).unwrap();
        disk.restart();
        disk.put(SOURCE, &[form.made(b"one\ntwo\nthr"), form.made(b"ee\nfour\n")].concat());
        let result = append(&disk, Growth::Accept).map(|()| 0);
        assert!(matches!(change(result), SourceChange::LastRecordGrew { .. }), "{}", form.name);
        assert_eq!(disk.bytes(OUT).unwrap(), wanted(b"one\ntwo\nthr"));
    }
}

#[test]
fn another_file_and_a_shorter_one_are_noticed() {
    if !available() {
        return;
    }
    let (input, other) = (text(10_000), text(10_001).split_off(1000));
    for form in forms() {
        let whole = form.made(&input);
        let changed = |bytes: &[u8]| {
            let disk = disk(1, &whole);
            run_to(builder(&disk), Framing::LINES, 8000).unwrap();
            disk.restart();
            disk.put(SOURCE, bytes);
            change(run(builder(&disk), Framing::LINES))
        };
        let name = form.name;
        assert!(matches!(changed(&whole[..20]), SourceChange::EndsBefore { .. }), "{name}");
        let shorter = changed(&whole[..whole.len() - 1]);
        assert!(
            matches!(shorter, SourceChange::Shrunk { .. } | SourceChange::EndsBefore { .. }),
            "{name}: {shorter}"
        );
        let mut longer = form.made(&other);
        longer.resize(longer.len().max(whole.len()), 0);
        let head = changed(&longer);
        assert!(matches!(head, SourceChange::Head { .. }), "{name}: {head}");
    }
}

#[test]
fn with_verification_every_edit_of_the_compressed_bytes_is_noticed() {
    if !available() {
        return;
    }
    // A file whose middle is in neither the hashed head nor the hashed tail.
    let input: Vec<u8> = text(60_000);
    for form in few() {
        let whole = form.made(&input);
        let middle = 68 << 10;
        assert!(whole.len() > 200 << 10, "{}: {}", form.name, whole.len());
        let disk = disk(1, &whole);
        let verified = |disk: &SimDisk| builder(disk).verify_source(true);
        for stop in [40_000, 55_000] {
            run_to(verified(&disk), Framing::LINES, stop).unwrap();
            disk.restart();
        }
        let mut edited = whole.clone();
        edited[middle] ^= 1;
        disk.put(SOURCE, &edited);
        let digest = change(run(verified(&disk), Framing::LINES));
        assert!(matches!(digest, SourceChange::Digest { .. }), "{}: {digest}", form.name);
        disk.restart();
        disk.put(SOURCE, &whole);
        run(verified(&disk), Framing::LINES).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}

#[test]
fn compressed_bytes_are_read_as_they_are_if_that_is_chosen() {
    if !available() {
        return;
    }
    let bytes = tool("gzip", &text(1000));
    let raw = disk(1, &bytes);
    run_to(builder(&raw).compression(Compression::None), Framing::LINES, 3).unwrap();
    raw.restart();
    // The job stays with that, and another choice is refused.
    let refused = run(builder(&raw).compression(Compression::Gzip), Framing::LINES).unwrap_err();
    assert!(matches!(refused, Error::JobDiffers { what: "compression", .. }), "{refused}");
    raw.restart();
    run(builder(&raw), Framing::LINES).unwrap();
    assert_eq!(raw.bytes(OUT).unwrap(), wanted(bytes.strip_suffix(b"\n").unwrap_or(&bytes)));

    let coded = disk(1, &bytes);
    run_to(builder(&coded), Framing::LINES, 3).unwrap();
    coded.restart();
    let refused = run(builder(&coded).compression(Compression::None), Framing::LINES).unwrap_err();
    assert!(matches!(refused, Error::JobDiffers { what: "compression", .. }), "{refused}");
}

#[test]
fn a_rebase_continues_in_a_file_that_was_compressed_again_with_the_same_start() {
    if !available() {
        return;
    }
    let input = text(30_000);
    let bytes = tool("gzip -6n", &input);
    let disk = disk(1, &bytes);
    run_to(builder(&disk), Framing::LINES, 20_000).unwrap();
    disk.restart();
    // Its name and time are in the header now, of the same length.
    let mut other = bytes.clone();
    other[4..8].copy_from_slice(b"time");
    disk.put(SOURCE, &other);
    assert!(matches!(change(run(builder(&disk), Framing::LINES)), SourceChange::Head { .. }));
    disk.restart();
    // Twice: what a rebase commits is true of the new file.
    let rebased = builder(&disk).changed(Changed::Rebase);
    run_to(rebased, Framing::LINES, 25_000).unwrap();
    disk.restart();
    run(builder(&disk), Framing::LINES).unwrap();
    assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input));
}

#[test]
fn large_windows_need_a_choice() {
    if !available() {
        return;
    }
    let input = text(3000);
    let made =
        [tool("zstd -q -3 --long=28", &input), tool("xz -T1 --lzma2=preset=0,dict=256MiB", &input)];
    for bytes in made {
        let disk = disk(1, &bytes);
        let error = run(builder(&disk), Framing::LINES).unwrap_err();
        let Error::WindowTooLarge { needed, allowed, .. } = error else { panic!("{error}") };
        assert_eq!((needed, allowed), (256 << 20, 128 << 20));
        disk.restart();
        run(builder(&disk).max_window(256 << 20), Framing::LINES).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input));
    }
}

#[test]
fn a_source_that_is_cut_while_it_is_read_is_noticed() {
    if !available() {
        return;
    }
    let input = text(100_000);
    for form in few() {
        let disk = disk_with(&form, &input);
        let whole = disk.bytes(SOURCE).unwrap();
        let mut job = builder(&disk).open().unwrap();
        let _out = job.output(OUT).unwrap();
        let mut records = job.lines(SOURCE).unwrap();
        records.next().unwrap().unwrap();
        fs(&disk)
            .open(SOURCE.as_ref(), piton_durable::fs::Open::ReadWrite)
            .unwrap()
            .set_len(whole.len() as u64 - 100)
            .unwrap();
        let error = records.find_map(Result::err);
        let shrunk = matches!(
            &error,
            Some(Error::SourceChanged { change: SourceChange::Shrunk { .. }, .. })
        );
        assert!(
            shrunk || matches!(error, Some(Error::SourceCut { .. })),
            "{}: {error:?}",
            form.name
        );
    }
}

#[test]
fn a_file_that_was_empty_at_first_is_what_it_becomes() {
    if !available() {
        return;
    }
    let input = text(3000);
    for form in few() {
        let disk = disk(1, b"");
        append(&disk, Growth::Accept).unwrap();
        disk.restart();
        disk.put(SOURCE, &form.made(&input));
        append(&disk, Growth::Accept).unwrap();
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}

#[test]
fn an_edit_right_before_the_position_is_noticed_before_a_record_comes() {
    if !available() {
        return;
    }
    // Stored blocks: the edit decodes, and the CRC of the member comes much later.
    let input = text(20_000);
    let bytes = tool("pigz -n -0", &input);
    let disk = disk(1, &bytes);
    let (_, position) = run_to(builder(&disk), Framing::LINES, 10_000).unwrap();
    disk.restart();
    let before = &input[position as usize - 30..position as usize];
    let at = memchr::memmem::find(&bytes, before).unwrap();
    let mut edited = bytes.clone();
    edited[at] ^= 1;
    disk.put(SOURCE, &edited);
    let part = disk.bytes("/out.part");
    let change = change(run(builder(&disk), Framing::LINES));
    assert!(matches!(change, SourceChange::BeforePosition { position: p, .. } if p == position));
    assert_eq!(disk.bytes("/out.part"), part);
}
