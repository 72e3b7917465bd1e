use std::sync::Arc;

use piton::durable::extent::Extent;
use piton::durable::fs::OsFs;
use piton::durable::part::{OpenPart, Opened, Part, Target};

use crate::command::Place;

/// The part of a download of 1000 bytes of which the first 250 are here; open while it is held.
pub(crate) fn unfinished(place: &Place, name: &str) -> Part {
    let target = Target::new(place.path(name));
    let opened = Part::open(Arc::new(OsFs), &target, OpenPart::default()).unwrap();
    let Opened::Part(part, _) = opened else { panic!("finished") };
    let meta = format!(
        r#"{{"url":"http://h/{name}","identity":{{"size":1000}},"begun":86400,"ranges":true}}"#
    );
    part.begin(meta.as_bytes(), Some(1000)).unwrap();
    let bytes = [7; 250];
    part.write(&bytes, 0).unwrap();
    let crc = piton::durable::crc::crc32c(&bytes);
    part.claim(Extent { start: 0, len: 250, crc }).unwrap();
    part.checkpoint().unwrap();
    part
}

#[test]
fn nothing_is_unfinished() {
    let place = Place::new();
    let ran = place.piton(&["status"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nothing is unfinished in .\n"));
    let ran = place.piton(&["status", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let ran = place.piton(&["resume"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "nothing to resume in .\n"));
    let ran = place.piton(&["resume", "a.iso"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with("piton: a.iso: nothing is unfinished here\n"), "{ran:?}");
}

#[test]
fn a_table_of_what_is_unfinished() {
    let place = Place::new();
    place.write("sub/x", b"");
    drop(unfinished(&place, "big.iso"));
    drop(unfinished(&place, "sub/b.tar"));
    // Once by its folder and once by its name.
    let ran = place.piton(&["status", ".", "big.iso.part"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r"
    NAME        HAVE    SIZE    %  TO FETCH  STARTED           RUNNING  URL
    big.iso    250 B  1000 B  25%     750 B  1970-01-02 00:00  -        http://h/big.iso
    sub/b.tar  250 B  1000 B  25%     750 B  1970-01-02 00:00  -        http://h/sub/b.tar
    ");
}

#[test]
fn a_download_at_which_a_process_is() {
    let place = Place::new();
    let part = unfinished(&place, "big.iso");
    let pid = std::process::id();
    let ran = place.piton(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(status["running"], pid);
    assert_eq!(status["to_fetch"], 750);
    assert_eq!(status["synced"], 250);
    // Found in a folder it is left alone.
    let ran = place.piton(&["resume"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains(&format!("big.iso: skipped, process {pid} is fetching it\n")));
    drop(part);
    let ran = place.piton(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(status["running"], serde_json::Value::Null);
}

#[test]
fn a_journal_that_cannot_be_read_is_said() {
    let place = Place::new();
    place.write("a.piton", b"rubbish");
    let ran = place.piton(&["status"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("its header is damaged"), "{}", ran.stderr);
}
