//! Files that were cut or damaged, and states whose restart points were: an error, never wrong records at the end.

use piton_records::{Compression, Error, Framing};
use piton_testkit::disk::SimDisk;
use piton_testkit::seed::draw;
use serde_json::Value;

use super::{Form, available, builder, disk_with, few, forms, run, run_to, text};
use crate::harness::{OUT, PART, SOURCE, STATE, disk, wanted};

fn wanted_lines(input: &[u8]) -> Vec<u8> {
    wanted(input.strip_suffix(b"\n").unwrap())
}

/// One run, to the end or to an error; whether its output is whole.
fn outcome(disk: &SimDisk, input: &[u8], what: &str) -> Result<(), Error> {
    let result = run(builder(disk), Framing::LINES);
    if result.is_ok() {
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(input), "{what}: wrong, and no error");
    }
    result.map(drop)
}

#[test]
fn a_cut_file_is_an_error_that_says_where() {
    if !available() {
        return;
    }
    let input = text(6000);
    let right = wanted_lines(&input);
    for form in few() {
        let whole = form.made(&input);
        let len = whole.len() as u64;
        let mut whole_files = 0;
        for round in 0..45 {
            // Near both ends, and anywhere.
            let cut = match round {
                0..15 => 11 + round,
                15..30 => len - 1 - (round - 15),
                _ => 11 + draw(round, len - 12),
            };
            let disk = disk(1, &whole[..cut as usize]);
            let what = format!("{} cut at {cut} of {len}", form.name);
            match run(builder(&disk), Framing::LINES) {
                Err(Error::SourceCut { at, .. }) => assert_eq!(at, cut, "{what}"),
                // Between two members the rest is a whole file.
                Ok(_) => whole_files += 1,
                Err(error) => panic!("{what}: {error}"),
            }
            // Before that the records are right.
            let part = disk.bytes(PART).unwrap_or_default();
            assert!(right.starts_with(&part), "{what}");
        }
        assert!(whole_files == 0 || form.name.starts_with("many"), "{}: {whole_files}", form.name);
        assert!(whole_files < 3, "{}: {whole_files}", form.name);
    }
}

#[test]
fn a_cut_file_continues_when_it_is_whole_again() {
    if !available() {
        return;
    }
    let input = text(30_000);
    for form in forms() {
        let whole = form.made(&input);
        let disk = disk(1, &whole[..whole.len() * 2 / 3]);
        let _ = run(builder(&disk), Framing::LINES);
        if disk.bytes(OUT).is_some() {
            // It was cut between two members.
            continue;
        }
        disk.restart();
        disk.put(SOURCE, &whole);
        run(builder(&disk).growth(piton_records::Growth::Accept), Framing::LINES)
            .unwrap_or_else(|error| panic!("{}: {error}", form.name));
        assert!(disk.bytes(OUT).unwrap() == wanted_lines(&input), "{}", form.name);
    }
}

#[test]
fn damage_anywhere_is_an_error_or_harmless() {
    if !available() {
        return;
    }
    let input = text(6000);
    let mut errors = 0;
    for (number, form) in few().into_iter().enumerate() {
        let whole = form.made(&input);
        for round in 0..60 {
            let seed = (number as u64) << 20 | round;
            let at = 10 + draw(seed << 1, whole.len() as u64 - 10) as usize;
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << draw(seed << 1 | 1, 8);
            let disk = disk(1, &bytes);
            let what = format!("{}, byte {at} of {}", form.name, whole.len());
            errors += u32::from(outcome(&disk, &input, &what).is_err());
        }
    }
    assert!(errors > 300, "{errors}: hardly any damage was noticed");
}

#[test]
fn damage_behind_a_resume_is_an_error_or_harmless() {
    if !available() {
        return;
    }
    let input = text(15_000);
    for (number, form) in few().into_iter().enumerate() {
        let whole = form.made(&input);
        let mut errors = 0;
        for round in 0..12 {
            let disk = disk(1, &whole);
            run_to(builder(&disk), Framing::LINES, 4500 + round * 800).unwrap();
            disk.restart();
            let seed = (number as u64) << 20 | round;
            // In the last third: most of that was not read yet.
            let len = whole.len() as u64;
            let at = (len - 1 - draw(seed << 1, len / 3)) as usize;
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << draw(seed << 1 | 1, 8);
            disk.put(SOURCE, &bytes);
            let what = format!("{}, byte {at} of {}, round {round}", form.name, whole.len());
            errors += u32::from(outcome(&disk, &input, &what).is_err());
        }
        assert!(errors > 0, "{}: no damage was noticed", form.name);
    }
}

#[test]
fn a_damaged_checksum_is_noticed_also_after_a_resume() {
    if !available() {
        return;
    }
    let input = text(30_000);
    // Where the last checksum is, from the end of the file.
    let cases = [("gzip -6", 8), ("gzip -6", 2), ("one frame", 1), ("bzip2 -9", 2), ("blocks", 13)];
    for (name, from_end) in cases {
        let form = forms().into_iter().find(|form| form.name == name).unwrap();
        let mut bytes = form.made(&input);
        let disk = disk(1, &bytes);
        run_to(builder(&disk), Framing::LINES, 20_000).unwrap();
        disk.restart();
        let at = bytes.len() - from_end;
        bytes[at] ^= 4;
        disk.put(SOURCE, &bytes);
        let error = run(builder(&disk).changed(piton_records::Changed::Rebase), Framing::LINES);
        assert!(matches!(error, Err(Error::SourceDamaged { .. })), "{name}: {error:?}");
    }
}

#[test]
fn an_xz_index_of_other_blocks_is_noticed_also_after_a_resume() {
    if !available() {
        return;
    }
    let input = text(30_000);
    let form = forms().into_iter().find(|form| form.name == "blocks").unwrap();
    let mut bytes = form.made(&input);
    let disk = disk(1, &bytes);
    run_to(builder(&disk), Framing::LINES, 20_000).unwrap();
    disk.restart();
    // The sizes of the first block are others; the checksum of the index is right.
    let footer = bytes.len() - 12;
    let size = u32::from_le_bytes(bytes[footer + 4..footer + 8].try_into().unwrap());
    let index = footer - (size as usize + 1) * 4;
    assert_eq!(bytes[index], 0);
    bytes[index + 2] ^= 4;
    let crc = super::forms::crc_of(&bytes[index..footer - 4]);
    bytes[footer - 4..footer].copy_from_slice(&crc.to_le_bytes());
    disk.put(SOURCE, &bytes);
    let what = "the index of an xz stream does not list its blocks";
    let error = run(builder(&disk), Framing::LINES).unwrap_err();
    assert!(matches!(error, Error::SourceDamaged { what: it, .. } if it == what), "{error}");
    let fresh = crate::harness::disk(1, &bytes);
    let error = run(builder(&fresh), Framing::LINES).unwrap_err();
    assert!(matches!(error, Error::SourceDamaged { what: it, .. } if it == what), "{error}");
}

#[test]
fn what_follows_the_end_is_an_error_that_says_where() {
    if !available() {
        return;
    }
    let input = text(3000);
    for form in forms() {
        let whole = form.made(&input);
        let disk = disk(1, &[&whole[..], b"something else"].concat());
        let error = run(builder(&disk), Framing::LINES).unwrap_err();
        let Error::SourceDamaged { at, .. } = error else { panic!("{}: {error}", form.name) };
        assert_eq!(at, whole.len() as u64, "{}", form.name);
    }
    // Zeros are tolerated as gzip does, and what follows them is not.
    let whole = [&super::forms::tool("gzip", &input)[..], &[0; 5], b"x"].concat();
    let disk = disk(1, &whole);
    let error = run(builder(&disk), Framing::LINES).unwrap_err();
    assert!(matches!(error, Error::SourceDamaged { at, .. } if at == whole.len() as u64 - 1));
}

/// The state after a stop inside.
fn stopped(form: &Form, input: &[u8]) -> (SimDisk, String) {
    let disk = disk_with(form, input);
    run_to(builder(&disk).json(STATE), Framing::LINES, 25_000).unwrap();
    disk.restart();
    let state = String::from_utf8(disk.bytes(STATE).unwrap()).unwrap();
    (disk, state)
}

#[test]
fn a_damaged_restart_point_is_an_error() {
    if !available() {
        return;
    }
    let input = text(30_000);
    for name in ["gzip -6", "many members", "many frames", "bzip2 -1", "blocks"] {
        let form = forms().into_iter().find(|form| form.name == name).unwrap();
        let (disk, state) = stopped(&form, &input);
        let (whole, part) = (disk.bytes(SOURCE).unwrap(), disk.bytes(PART).unwrap());
        let begin = state.find("\"restart\"").unwrap();
        assert_eq!(state.contains("\"window\""), name == "gzip -6", "{name}");
        let len = (state.len() - begin).min(60_000) as u64;
        let mut errors = 0;
        for round in 0..40 {
            let at = begin + draw(round, len) as usize;
            let mut bytes = state.clone().into_bytes();
            bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            let (damaged, what) = (crate::harness::disk(1, &whole), format!("{name}, byte {at}"));
            damaged.put(PART, &part);
            damaged.put(STATE, &bytes);
            let result = run(builder(&damaged).json(STATE), Framing::LINES);
            match result {
                Ok(_) => assert!(damaged.bytes(OUT).unwrap() == wanted_lines(&input), "{what}"),
                Err(_) => errors += 1,
            }
        }
        assert!(errors > 30, "{name}: {errors}");
    }
}

#[test]
fn a_restart_point_that_contradicts_its_checksum_is_named() {
    if !available() {
        return;
    }
    let input = text(10_000);
    let form = forms().into_iter().find(|form| form.name == "gzip -6").unwrap();
    let (disk, state) = stopped(&form, &input);
    let mut state: Value = serde_json::from_str(&state).unwrap();
    let crc = state.pointer_mut("/durable/source/restart/point/member/crc");
    let crc = crc.unwrap();
    *crc = Value::from(crc.as_u64().unwrap() ^ 1);
    disk.put(STATE, state.to_string().as_bytes());
    let error = run(builder(&disk).json(STATE), Framing::LINES).unwrap_err();
    assert!(matches!(&error, Error::State { why, .. } if why.contains("restart point")), "{error}");
}

#[test]
fn a_file_that_is_not_of_the_chosen_codec_is_an_error() {
    let disk = disk(1, b"plain text\n");
    for codec in [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz] {
        let error = run(builder(&disk).compression(codec), Framing::LINES).unwrap_err();
        assert!(matches!(error, Error::SourceDamaged { at: 0, .. }), "{codec:?}: {error}");
        disk.restart();
        disk.put(STATE, b"");
        disk.exchange(SOURCE, b"plain text\n");
        let fs = crate::harness::fs(&disk);
        fs.remove(STATE.as_ref()).unwrap();
        fs.remove(PART.as_ref()).unwrap();
    }
}
