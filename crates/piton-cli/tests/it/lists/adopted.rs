//! `piton adopt --done`: what a script noted as finished.

use serde_json::Value;

use piton_testkit::server::pattern;

use super::{Desk, LEN, SEED};

impl Desk {
    fn adopt(&self, args: &[&str]) -> crate::command::Ran {
        self.piton(&[&["adopt", "--done", "done", "-i", "list.txt"], args].concat())
    }

    fn done(&self, lines: &[&str]) -> &Self {
        self.place.write("done", self.text(lines).as_bytes());
        self
    }

    /// Files as the script had fetched them.
    fn there(&self, names: &[&str]) -> &Self {
        for name in names {
            self.place.write(name, &pattern::bytes(SEED, LEN as usize));
        }
        self
    }

    fn adopted(&self, args: &[&str]) -> Value {
        let ran = self.adopt(&[&["--json"], args].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

/// `marked`, `already`, `missing`, `strangers`.
fn counts(adopted: &Value) -> [u64; 4] {
    ["marked", "already", "missing", "strangers"].map(|name| adopted[name].as_u64().unwrap())
}

#[test]
fn what_is_marked_is_not_fetched_and_the_rest_is() {
    let desk = Desk::new(6);
    desk.list(&["/0", "/1", "/2", "rubbish", "/3", "/4", "/5"]);
    desk.done(&["# of tuesday", "/0", "/2", "/gone/1", "", "/3", "/old/2", "/old/3"]);
    desk.there(&["out/0", "out/2"]);
    let ran = desk.adopt(&["-d", "out"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    insta::assert_snapshot!(desk.said(&ran.stderr), @r"
    list.txt: 2 of 6 items marked as done from done
      1 item not marked, since its file is missing: piton get will fetch it
      1 line of the list invalid
      3 of 6 lines name no item of the list
        from line 4, http://HOST/gone/1 to line 8, http://HOST/old/3
        the last line is one of them: the item finished last is no longer in the list
    ");
    assert_eq!(desk.all_requests(), 0);
    // Into the same folder, though this call does not name it.
    let ran = desk.get(&[]);
    assert!(ran.stderr.contains("6 done (2 before)"), "{}", ran.stderr);
    assert_eq!(
        ["/0", "/1", "/2", "/3", "/4", "/5"].map(|path| desk.requests(path)),
        [0, 1, 0, 1, 1, 1]
    );
    assert!((0..6).all(|n| desk.is_right(&format!("out/{n}"))));

    assert_eq!(counts(&desk.adopted(&["-d", "out"])), [0, 3, 0, 3]);
}

#[test]
fn twice_is_as_once_and_more_may_come() {
    let desk = Desk::new(3);
    desk.list(&["/0", "/1", "/2"]).done(&["/0", "/1"]).there(&["0", "1"]);
    assert_eq!(counts(&desk.adopted(&[])), [2, 0, 0, 0]);
    assert_eq!(counts(&desk.adopted(&[])), [0, 2, 0, 0]);
    // The list may be another by now.
    desk.list(&["/2", "/1"]).done(&["/0", "/1", "/2"]).there(&["2"]);
    let adopted = desk.adopted(&[]);
    assert_eq!(counts(&adopted), [1, 1, 0, 1]);
    assert_eq!(
        (&adopted["first_stranger"]["line"], &adopted["last_is_stranger"]),
        (&Value::from(1), &Value::from(false))
    );
    assert!(desk.get(&[]).stderr.contains("2 done (2 before)"));
    assert_eq!(desk.all_requests(), 0);
}

#[test]
fn a_failed_item_that_a_script_finished_is_done() {
    let desk = Desk::new(1);
    desk.list(&["/0", "/gone"]).done(&["/gone"]);
    assert_eq!(desk.get(&[]).code, 13);
    desk.there(&["gone"]);
    assert_eq!(counts(&desk.adopted(&[])), [1, 0, 0, 0]);
    let ran = desk.get(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(desk.requests("/gone"), 1);
}

#[test]
fn a_file_of_another_length_is_not_it_and_trust_does_not_look() {
    let desk = Desk::new(3);
    desk.list(&["/0", "  size=4096", "/1", "  size=4096", "/2"]).done(&["/0", "/1", "/2"]);
    desk.there(&["0"]).place.write("1", b"half of it");
    std::fs::create_dir(desk.place.path("2")).unwrap();
    assert_eq!(counts(&desk.adopted(&[])), [1, 0, 2, 0]);
    assert_eq!(counts(&desk.adopted(&["--trust"])), [2, 1, 0, 0]);
    assert_eq!(desk.get(&[]).code, 0);
    assert_eq!(desk.all_requests(), 0);
}

/// Names are those of a run: numbers where two items want one, folders with `--tree`.
#[test]
fn files_are_looked_for_where_a_run_would_put_them() {
    let desk = Desk::new(0);
    desk.list(&["/a/x.bin", "/b/x.bin", "/c/x.bin"]).done(&["/b/x.bin", "/a/x.bin"]);
    desk.there(&["x.bin", "x.1.bin"]);
    assert_eq!(counts(&desk.adopted(&[])), [2, 0, 0, 0]);
    let ran = desk.get(&["--dry-run"]);
    assert!(ran.stdout.contains("to fetch     1\n"), "{}", ran.stdout);

    let host = desk.server.url("").replace("http://", "");
    desk.there(&[&format!("{host}/c/x.bin")]).done(&["/c/x.bin"]);
    assert_eq!(counts(&desk.adopted(&["--tree"])), [1, 0, 0, 0]);
    // Remembered as the option of a run is.
    let ran = desk.get(&[]);
    assert!(ran.stderr.contains("as in the last run (--flat changes that)"), "{}", ran.stderr);
}

#[test]
fn a_line_of_the_list_is_as_good_as_an_address() {
    let desk = Desk::new(4);
    let mirrors = desk.text(&["/0", "/1"]).replace('\n', "\t");
    let list = format!("{}\n{}{}", mirrors.trim(), desk.text(&["/2"]), desk.text(&["/3"]));
    desk.place.write("list.txt", list.as_bytes());
    let secret = desk.server.url("/2").replace("http://", "http://ann:secret@");
    desk.place.write("done", format!("{}\n  {secret}\r\n\u{7f}\n", mirrors.trim()).as_bytes());
    desk.there(&["0", "2"]);
    assert_eq!(counts(&desk.adopted(&[])), [2, 0, 0, 1]);
    let table =
        format!("url,out\n{},zero\n{},\"t,wo\"\n", desk.server.url("/0"), desk.server.url("/2"));
    desk.place.write("list.txt", table.as_bytes());
    desk.place.write("done", format!("{},zero\n", desk.server.url("/0")).as_bytes());
    desk.there(&["zero"]);
    assert_eq!(counts(&desk.adopted(&[])), [1, 0, 0, 0]);
}

#[test]
fn what_does_not_go_together_says_so() {
    let desk = Desk::new(1);
    desk.list(&["/0"]).done(&["/0"]);
    for (args, said) in [
        (&["adopt"][..], "required"),
        (&["adopt", "file"], "required"),
        (&["adopt", "--done", "done"], "--input-file <LIST>"),
        (&["adopt", "-i", "list.txt"], "--done <DONE>"),
        (&["adopt", "--trust", "file", "http://h/"], "--done <DONE>"),
        (&["adopt", "--state", "s", "file", "http://h/"], "need --done DONE"),
        (&["adopt", "--done", "done", "-i", "list.txt", "file"], "cannot be used with"),
        (&["adopt", "--done", "done", "-i", "list.txt", "--dry-run"], "need FILE and URL"),
    ] {
        let ran = desk.piton(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    for (args, said) in [
        (&["--done", "none", "-i", "list.txt"][..], "cannot read none: No such file"),
        (&["--done", "done", "-i", "none"], "cannot read the list none"),
        (&["--done", ".", "-i", "list.txt"], "cannot read ."),
        (&["--done", "done", "-i", "list.txt", "-d", "typo"], "typo: No such file"),
    ] {
        let ran = desk.piton(&[&["adopt"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    assert!(!desk.place.path("list.txt.piton.db").exists(), "nothing is left behind");
    assert!(!desk.place.path("typo").exists());
}
