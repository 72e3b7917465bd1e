use crate::command::Place;
use crate::status::unfinished;

#[test]
fn part_and_journal_go_and_the_file_stays() {
    for name in ["big.iso", "big.iso.part", "big.iso.piton"] {
        let place = Place::new();
        drop(unfinished(&place, "big.iso"));
        place.write("big.iso", b"an older one");
        let ran = place.piton(&["forget", name]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{name}");
        assert_eq!(ran.stdout, "removed big.iso.part and big.iso.piton\n");
        assert_eq!(names(&place), ["big.iso"]);
        assert_eq!(std::fs::read(place.path("big.iso")).unwrap(), b"an older one");
    }
}

#[test]
fn not_while_a_process_is_at_it() {
    let place = Place::new();
    let part = unfinished(&place, "big.iso");
    let ran = place.piton(&["forget", "big.iso"]);
    assert_eq!(ran.code, 9);
    assert!(ran.stderr.contains(&format!("process {}", std::process::id())), "{}", ran.stderr);
    assert_eq!(names(&place), ["big.iso.part", "big.iso.piton"]);
    drop(part);
}

#[test]
fn journals_that_this_version_cannot_read() {
    let newer = {
        let place = Place::new();
        drop(unfinished(&place, "a"));
        let mut bytes = std::fs::read(place.path("a.piton")).unwrap();
        bytes[8] = 99;
        let crc = piton::durable::crc::crc32c(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes
    };
    for journal in [&newer[..], b"rubbish", b""] {
        for part in [Some(&b"bytes"[..]), Some(b""), None] {
            let place = Place::new();
            place.write("a.piton", journal);
            if let Some(part) = part {
                place.write("a.part", part);
            }
            let ran = place.piton(&["forget", "a"]);
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
            assert!(names(&place).is_empty(), "{:?}", names(&place));
        }
    }
}

#[test]
fn a_part_without_a_journal() {
    let place = Place::new();
    place.write("a.part", b"bytes");
    let ran = place.piton(&["forget", "a"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "removed a.part\n"));
    assert!(names(&place).is_empty());
}

#[test]
fn what_is_not_there_does_not_keep_the_rest() {
    let place = Place::new();
    drop(unfinished(&place, "b"));
    let ran = place.piton(&["forget", "a", "b"]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.stderr, "piton: a: nothing is unfinished here\n");
    assert!(names(&place).is_empty());
}

fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(&place.dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
