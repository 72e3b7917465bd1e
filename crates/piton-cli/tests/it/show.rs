use crate::command::Place;
use crate::status::unfinished;

#[test]
fn a_journal_for_people() {
    let place = Place::new();
    drop(unfinished(&place, "a"));
    let ran = place.piton(&["show", "a.piton"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let (head, rest) = ran.stdout.split_once('\n').unwrap();
    assert!(head.starts_with("journal format 1, salt "), "{head}");
    insta::assert_snapshot!(rest, @r"

        OFFSET  SEQUENCE  RECORD
            32         1  meta, 73 bytes
           130         2  written 0..250, crc32c 32e9a770
           175         3  synced through 2
           208            end

    URL         http://h/a
    size        1000 bytes
    synced      250 bytes in 1 extent
    written     0 bytes in 0 extents
    verified    no
    ");
}

#[test]
fn a_journal_for_programs() {
    let place = Place::new();
    drop(unfinished(&place, "a"));
    let ran = place.piton(&["show", "--json", "a.piton"]);
    let journal: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(journal["version"], 1);
    assert_eq!(journal["state"]["meta"]["url"], "http://h/a");
    assert_eq!(journal["state"]["synced"][0]["len"], 250);
    assert_eq!(journal["records"][1]["type"], "written");
    assert_eq!(journal["records"][1]["sequence"], 2);
    assert_eq!(journal["end"]["clean"], true);
}

#[test]
fn a_torn_journal_is_shown_up_to_there() {
    let place = Place::new();
    drop(unfinished(&place, "a"));
    let mut bytes = std::fs::read(place.path("a.piton")).unwrap();
    bytes.pop();
    place.write("a.piton", &bytes);
    let ran = place.piton(&["show", "a.piton"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("torn: a record is cut off"), "{}", ran.stdout);
}

#[test]
fn what_is_no_journal() {
    let place = Place::new();
    place.write("a.piton", b"rubbish");
    let ran = place.piton(&["show", "a.piton"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert_eq!(place.piton(&["show", "missing.piton"]).code, 3);
}
