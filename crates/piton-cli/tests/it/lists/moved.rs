//! Ledgers that somebody else may have written: what comes out of an archive beside its list.

use std::fs;

use rusqlite::Connection;

use super::Desk;
use crate::command::Ran;

/// Goes through the list once with `args`, and puts list and ledger, as an archive would, into the folder
/// `away`, with one item more.
fn unpacked(desk: &Desk, args: &[&str]) {
    let ran = desk.list(&["/0"]).get(args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    fs::create_dir(desk.place.path("away")).unwrap();
    fs::copy(desk.place.path("list.txt.piton.db"), desk.place.path("away/list.txt.piton.db"))
        .unwrap();
    desk.place.write("away/list.txt", desk.text(&["/0", "/1"]).as_bytes());
}

fn get(desk: &Desk, args: &[&str]) -> Ran {
    desk.piton(&[&["get", "-i", "away/list.txt", "--retries", "0"], args].concat())
}

#[test]
fn a_ledger_from_elsewhere_does_not_say_where_files_go() {
    let desk = Desk::new(2);
    let ssh = desk.place.path("home/.ssh");
    let ssh = ssh.to_str().unwrap();
    unpacked(&desk, &["-d", ssh]);
    for args in [&["get", "-i", "away/list.txt"][..], &["retry", "away/list.txt"]] {
        let ran = desk.piton(args);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("was moved or copied here"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("-d {ssh} for that one")), "{}", ran.stderr);
    }
    let asked = desk.all_requests();
    assert!(desk.requests("/1") == 0 && !desk.place.path("home/.ssh/1").exists());
    // Given once, here or there, it is remembered as ever; and what is done is still known.
    let ran = get(&desk, &["-d", "away"]);
    assert_eq!((ran.code, desk.all_requests()), (0, asked + 1), "{}", ran.stderr);
    assert!(desk.is_right("away/1"));
    desk.place.write("away/list.txt", desk.text(&["/0", "/1", "/gone"]).as_bytes());
    let ran = get(&desk, &[]);
    assert_eq!(ran.code, 13, "{}", ran.stderr);
    assert!(ran.stderr.contains("as in the last run"), "{}", ran.stderr);
}

/// Not the log that was beside it in the archive, nor what a run that died there had under way.
#[test]
fn what_came_with_a_ledger_that_is_refused_is_not_written_into_it() {
    let desk = Desk::new(2);
    let elsewhere = desk.place.path("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    assert_eq!(desk.list(&["/0"]).get(&["-d", elsewhere]).code, 0);
    fs::create_dir(desk.place.path("away")).unwrap();
    let path = |name: &str| desk.place.path(name);
    // As a kill leaves them.
    let writer = Connection::open(path("list.txt.piton.db")).unwrap();
    writer.execute_batch("UPDATE hosts SET done = 2").unwrap();
    for beside in ["db", "db-wal"] {
        let name = format!("list.txt.piton.{beside}");
        fs::copy(path(&name), path(&format!("away/{name}"))).unwrap();
    }
    drop(writer);
    assert!(fs::metadata(path("away/list.txt.piton.db-wal")).unwrap().len() > 0);
    desk.place.write("away/list.txt", desk.text(&["/1"]).as_bytes());
    desk.place.write("done.txt", desk.text(&["/1"]).as_bytes());
    let ledger = || fs::read(path("away/list.txt.piton.db")).unwrap();
    let before = ledger();
    let adopt = ["adopt", "--done", "done.txt", "-i", "away/list.txt"];
    for args in [&["get", "-i", "away/list.txt"][..], &["retry", "away/list.txt"], &adopt] {
        let ran = desk.piton(args);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("was moved or copied here"), "{}", ran.stderr);
        assert!(ledger() == before, "{args:?} wrote into it");
        assert!(!path("away/list.txt.piton.flight").exists());
    }
}

#[test]
fn a_folder_that_was_given_here_is_remembered_wherever_it_is() {
    let desk = Desk::new(2);
    let data = desk.place.path("data");
    assert_eq!(desk.list(&["/0"]).get(&["-d", data.to_str().unwrap()]).code, 0);
    // Moved within its file system it is the same ledger.
    fs::create_dir(desk.place.path("away")).unwrap();
    fs::rename(desk.place.path("list.txt.piton.db"), desk.place.path("away/list.txt.piton.db"))
        .unwrap();
    desk.place.write("away/list.txt", desk.text(&["/0", "/1"]).as_bytes());
    let ran = get(&desk, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(desk.is_right("data/1"));
}

#[test]
fn a_ledger_from_elsewhere_does_not_complete_addresses() {
    let desk = Desk::new(2);
    unpacked(&desk, &["--base", &desk.server.url("/")]);
    desk.place.write("away/list.txt", b"1\n");
    let asked = desk.all_requests();
    let ran = get(&desk, &["-d", "."]);
    assert_eq!((ran.code, desk.all_requests()), (2, asked), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("--base {}", desk.server.url("/"))), "{}", ran.stderr);
    // What is printed is there to be fetched.
    let ran = desk.piton(&["failures", "away/list.txt"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("would complete URLs with"), "{}", ran.stderr);
    let ran = desk.piton(&["failures", "away/list.txt", "--base", &desk.server.url("/")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = get(&desk, &["-d", ".", "--base", &desk.server.url("/")]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(desk.is_right("1"));
}
