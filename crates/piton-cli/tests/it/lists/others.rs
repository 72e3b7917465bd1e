//! Lists that others wrote, and files that others put in the place of ours.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use piton_testkit::server::{Fault, Resource};

use super::Desk;

/// The server sends as long as somebody reads, with no length.
#[test]
fn a_list_without_end_is_refused() {
    let desk = Desk::new(1);
    desk.server.replace("/list.txt", Resource::bytes(&b"# no end\n"[..]));
    desk.server.add_fault(Fault::endless().and(Fault::ignores_range()).on("/list.txt"));
    let url = desk.server.url("/list.txt");
    for (option, limit) in [("--max-list-size", "2MiB"), ("--max-size", "1MiB")] {
        let ran = desk.piton(&["get", "-i", &url, option, limit]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        let said = format!("hint: {option} raises the limit");
        assert!(ran.stderr.contains("the list: ") && ran.stderr.contains(&said), "{}", ran.stderr);
        assert!(!desk.place.path("list.txt.piton.list").exists());
    }
    assert_eq!(desk.requests("/0"), 0);
}

/// A list may have logins in it. What stood there is not what is used, nor who may read it.
#[test]
fn what_is_kept_of_a_list_is_private() {
    let desk = Desk::new(1);
    desk.server.replace("/list.txt", Resource::bytes(desk.text(&["/0"]).into_bytes()));
    let url = desk.server.url("/list.txt");
    let kept = desk.place.path("list.txt.piton.list");
    let mut held: Option<std::fs::File> = None;
    for round in 0..3 {
        let ran = desk.piton(&["get", "-i", &url]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let about = std::fs::metadata(&kept).unwrap();
        assert_eq!(about.mode() & 0o777, 0o600, "{round}");
        let before = held.map(|held| held.metadata().unwrap().ino());
        assert_ne!(before, Some(about.ino()), "somebody may have it open");
        held = Some(std::fs::File::open(&kept).unwrap());
        std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o666)).unwrap();
    }
}
