//! What cannot be done with a list as it was asked for.

use super::Desk;

#[test]
fn options_that_do_not_go_together() {
    let desk = Desk::new(1);
    desk.list(&["/0"]);
    let digest = format!("md5:{}", "0".repeat(32));
    for args in [
        &["get", "-i", "list.txt", "http://h/a"][..],
        &["get", "-i", "list.txt", "-o", "a"],
        &["get", "-i", "list.txt", "--rename"],
        &["get", "-i", "list.txt", "--mirror", "http://h/a"],
        &["get", "-i", "list.txt", "--checksum", &digest],
        &["get", "-i", "list.txt", "--on-done", "'"],
        &["get", "-i", "list.txt", "--on-done", ""],
        &["get", "-i", "list.txt", "--tree", "--flat"],
        &["get", "-i", "list.txt", "-j", "0"],
        &["get", "-i", "list.txt", "--max-failures", "101%"],
        &["get", "-i", "list.txt", "--requests-per-second", "0"],
        &["get", "-i", "list.txt", "--list-format", "xlsx"],
        &["get", "-i", "list.txt", "--base", "ftp://h/"],
        &["get", "-i", "-", "--dry-run"],
        &["get", "-j", "4", "http://h/a"],
        &["get", "--check", "http://h/a"],
        &["get", "--state", "s", "http://h/a"],
        &["retry", "list.txt", "--class", "No Class"],
        &["retry"],
        &["failures"],
        &["failures", "-"],
        &["status", "a", "b", "--state", "s"],
    ] {
        let ran = desk.piton(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(desk.all_requests(), 0);
}

#[test]
fn lists_that_are_none() {
    let desk = Desk::new(0);
    desk.place.write("a.csv", b"name,size\na,1\n");
    desk.place.write("a.meta4", b"<metalink><file");
    desk.place.write("SHA256SUMS", format!("{}  a\n", "0".repeat(64)).as_bytes());
    std::fs::create_dir(desk.place.path("folder")).unwrap();
    for (list, code, said) in [
        ("a.csv", 2, "no column named url"),
        ("a.meta4", 2, "line 1: "),
        ("SHA256SUMS", 2, "hint: give one with --base URL"),
        ("missing", 3, "cannot read the list missing: No such file"),
        ("folder", 3, "folder is not a file"),
    ] {
        let ran = desk.piton(&["get", "-i", list]);
        assert_eq!(ran.code, code, "{list}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{list}: {}", ran.stderr);
    }
    assert!(!desk.place.path("missing.piton.db").exists());
    let secret = "http://ann:secret@:1/";
    let ran = desk.piton(&["get", "-i", secret]);
    assert!(ran.code == 2 && !ran.stderr.contains("secret"), "{ran:?}");
}
