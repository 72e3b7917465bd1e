//! `piton status`, `piton forget`, `--dry-run`, and where files go.

use piton::checkpoint::ledger::{How, Ledger};

use super::{Desk, ailing};

#[test]
fn how_a_list_stands() {
    let desk = Desk::with(ailing(3));
    desk.list(&["/0", "/gone", "/2", "/1", "rubbish"]);
    desk.get(&["-d", "out"]);
    let lines = ["/0", "/gone", "/2", "rubbish", "/new"];
    desk.list(&lines);
    let ran = desk.piton(&["status", "list.txt"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    // The columns are as wide as the number of the port is.
    let host = desk.server.addr().to_string();
    let text = ran.stdout.replace(&host, &format!("{:15}", "HOST"));
    let text = text.replace(
        &format!("worst hosts{}", " ".repeat(host.len() - 9)),
        &format!("worst hosts{}", " ".repeat(6)),
    );
    let text = text.replace(&desk.place.path("out").display().to_string(), "OUT");
    let text: String =
        text.lines().filter(|line| !line.contains("last run")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text, @r"
    list.txt
      state        list.txt.piton.db
      files in     OUT
      items        4
      done         1  4.0 KiB
      pending      1
      failed       1  temporarily: the next run retries them
      failed       1  permanently: piton retry tries them again
      bad lines    1
      elsewhere    1  recorded, but no longer in the list
      failures
        404  1
        500  1
      worst hosts        FAILED  DONE
        HOST                  2     2
    ");
    for named in
        [&["list.txt"][..], &["list.txt.piton.db"], &["list.txt", "--state", "list.txt.piton.db"]]
    {
        let ran = desk.piton(&[&["status", "--json"], named].concat());
        let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(status["type"], "list");
        for (key, value) in
            [("items", 4), ("done", 1), ("pending", 1), ("fatal", 1), ("bytes", 4096)]
        {
            assert_eq!(status[key], value, "{key}: {status}");
        }
        assert_eq!(status["running"], serde_json::Value::Null);
        assert_eq!(status["classes"], serde_json::json!({ "404": 1, "500": 1 }));
    }
}

#[test]
fn what_would_be_fetched_is_counted_without_asking() {
    let desk = Desk::with(ailing(3));
    desk.list(&["/0", "/gone", "/2", "rubbish"]);
    let ran = desk.get(&["--dry-run"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("line 4"), "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout, @r"
    list.txt
      items        3
      to fetch     3
      again        0
      done         0
      skipped      0
      bad lines    1
    ");
    assert_eq!(desk.all_requests(), 0);
    assert!(!desk.place.path("list.txt.piton.db").exists(), "nothing is left behind");
    desk.get(&[]);
    let asked = desk.all_requests();
    let ran = desk.get(&["--dry-run", "--json"]);
    assert_eq!(
        ran.stdout,
        concat!(
            r#"{"type":"list_plan","list":"list.txt","items":3,"to_fetch":1,"again":1,"#,
            r#""done":1,"left_out":1,"bad_lines":1}"#,
            "\n"
        )
    );
    assert_eq!(desk.all_requests(), asked);
}

#[test]
fn a_list_that_another_process_is_at() {
    let desk = Desk::new(1);
    desk.list(&["/0"]).get(&[]);
    let path = desk.place.path("list.txt.piton.db");
    let how = How { durability: Default::default(), create: false, now: 1 };
    let ledger = Ledger::open(&path, &how).unwrap();
    let pid = std::process::id();
    for args in [&["get", "-i", "list.txt"][..], &["retry", "list.txt"], &["forget", "list.txt"]] {
        let ran = desk.piton(args);
        assert_eq!(ran.code, 9, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(&format!("process {pid}")), "{}", ran.stderr);
    }
    let ran = desk.piton(&["status", "list.txt"]);
    assert!(ran.stdout.contains(&format!("running      process {pid}\n")), "{}", ran.stdout);
    ledger.close().unwrap();
}

#[test]
fn a_damaged_state_is_said_and_left_as_it_is() {
    let desk = Desk::new(1);
    desk.list(&["/0"])
        .place
        .write("list.txt.piton.db", b"no ledger at all, but long enough for one");
    for args in [&["get", "-i", "list.txt"][..], &["retry", "list.txt"], &["status", "list.txt"]] {
        let ran = desk.piton(args);
        assert_eq!(ran.code, 3, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("list.txt.piton.db is damaged"), "{}", ran.stderr);
    }
    assert!(std::fs::read(desk.place.path("list.txt.piton.db")).unwrap().starts_with(b"no ledger"));
    assert_eq!(desk.all_requests(), 0);
}

#[test]
fn forgetting_leaves_lists_and_files() {
    let desk = Desk::new(1);
    desk.list(&["/0"]).get(&[]);
    let ran = desk.piton(&["forget", "list.txt"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("list.txt.piton.db"), "{}", ran.stdout);
    assert_eq!(names(&desk), ["0", "list.txt"]);
    let ran = desk.piton(&["failures", "list.txt"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("there is no ledger at"), "{}", ran.stderr);
    // The file is known again by what it is.
    let ran = desk.get(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_state_of_another_name_is_forgotten_where_it_is() {
    let desk = Desk::new(1);
    desk.list(&["/0"]).get(&["--state", "mine.db"]);
    let ran = desk.piton(&["forget", "list.txt"]);
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    let ran = desk.piton(&["forget", "--state", "mine.db", "list.txt", "other.txt"]);
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert_eq!(names(&desk), ["0", "list.txt", "mine.db"]);
    let ran = desk.piton(&["forget", "--state", "mine.db", "list.txt"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(names(&desk), ["0", "list.txt"]);
    let ran = desk.piton(&["forget", "--state", "mine.db", "list.txt"]);
    assert_eq!(ran.code, 3, "{}", ran.stdout);
}

#[test]
fn the_second_run_does_as_the_first() {
    let desk = Desk::new(2);
    desk.list(&["/0"]);
    assert_eq!(desk.get(&["-d", "out", "--tree"]).code, 0);
    desk.list(&["/0", "/1"]);
    let ran = desk.get(&[]);
    assert!(ran.stderr.contains("as in the last run (-d DIR changes that)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("names keep host and folders"), "{}", ran.stderr);
    let host = desk.server.url("").replace("http://", "out/");
    assert!(desk.is_right(&format!("{host}/0")) && desk.is_right(&format!("{host}/1")));
    let ran = desk.get(&["-d", "elsewhere", "--flat"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("files from earlier runs stay in "), "{}", ran.stderr);
}

pub(super) fn names(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(&desk.place.dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
