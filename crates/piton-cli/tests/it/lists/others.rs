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

/// What a list, its ledger, a journal and a server say is shown, and none of it may steer the terminal or
/// hide from whoever reads it.
#[test]
fn what_others_wrote_cannot_deceive_the_terminal() {
    const TRICKS: [char; 6] = ['\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{2066}', '\u{feff}'];
    let tricks: String = TRICKS.iter().collect();
    let plain = |text: &str| !text.contains(TRICKS) && !text.contains('\u{7}');
    let desk = Desk::new(2);
    desk.server.add_fault(Fault::status(404));
    let item = |out: &str| serde_json::json!({ "url": desk.server.url("/0"), "out": out });
    let lines = [
        item(&format!("a{tricks}b")).to_string(),
        item("c").to_string().replace("\"out\"", &format!("\"dir{}\":1,\"out\"", &tricks[1..])),
        format!("{{\"url\": \"{tricks}\"}}"),
        format!("rubbish {tricks}\u{7}"),
    ];
    desk.place.write("list.jsonl", lines.join("\n").as_bytes());
    for more in [&[][..], &["-q"], &["--json"]] {
        let ran = desk.piton(&[&["get", "-i", "list.jsonl", "--retries", "0"], more].concat());
        assert!(ran.code == 13 && ran.stderr.contains("line 3"), "{}", ran.stderr);
        assert!(plain(&ran.stderr) && plain(&ran.stdout), "{ran:?}");
    }
    for args in [
        &["status", "list.jsonl"][..],
        &["status", "list.jsonl", "--json"],
        &["failures", "list.jsonl"],
        &["failures", "list.jsonl", "--json"],
        &["failures", "list.jsonl"],
        &["get", "-i", "list.jsonl", "--dry-run"],
        // A file of such a name, where the shell writes the names of all files.
        &["resume", &format!("--{}", &tricks[1..])],
        &["get", "--http", &tricks, "http://h/"],
    ] {
        let ran = desk.piton(args);
        assert!(plain(&ran.stderr) && plain(&ran.stdout), "{ran:?}");
    }

    desk.server.clear_faults();
    desk.server.replace("/big", Resource::pattern(1, 4 << 20));
    desk.server.add_fault(Fault::cut_connection_after(2 << 20).on("/big"));
    let name = format!("big{tricks}");
    let ran = desk.piton(&["get", &desk.server.url("/big"), "-o", &name, "--retries", "0"]);
    assert!(ran.code == 4 && ran.stderr.contains("big\u{fffd}") && plain(&ran.stderr), "{ran:?}");
    let journal = format!("{name}.piton");
    for args in
        [&["status"][..], &["status", "--json"], &["show", &journal], &["resume", "nothing"]]
    {
        let ran = desk.piton(args);
        assert!(plain(&ran.stderr) && plain(&ran.stdout), "{ran:?}");
    }
}

/// Whoever may replace the list would else have the run wait for a writer, for ever.
#[test]
fn a_list_that_is_a_fifo_is_not_waited_for() {
    let desk = Desk::new(0);
    let fifo = desk.place.path("fifo");
    assert!(std::process::Command::new("mknod").arg(&fifo).arg("p").status().unwrap().success());
    for more in [&[][..], &["--dry-run"]] {
        let mut piton = std::process::Command::new("timeout");
        let piton = piton.args(["20", env!("CARGO_BIN_EXE_piton"), "get", "-i"]).arg(&fifo);
        let ran = piton.args(more).args(["--config", "none"]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.code() == Some(3) && said.contains("is not a file"), "{ran:?}");
    }
}
