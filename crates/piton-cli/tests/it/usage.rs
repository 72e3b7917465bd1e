//! What cannot be done as it was asked for: exit code 2, and no login repeated.

use crate::command::Place;

fn refused(args: &[&str]) -> String {
    let ran = Place::new().piton(args);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
    ran.stderr
}

#[test]
fn arguments() {
    for args in [
        &[][..],
        &["get"],
        &["frobnicate"],
        &["get", "--frobnicate", "http://h/a"],
        &["get", "-x", "0", "http://h/a"],
        &["get", "--limit-rate", "fast", "http://h/a"],
        &["get", "--overwrite", "--rename", "http://h/a"],
        &["get", "--quiet", "--json", "http://h/a"],
        &["get", "-4", "-6", "http://h/a"],
        &["get", "--durability", "some", "http://h/a"],
        &["get", "--checksum", "sha256:12", "http://h/a"],
        &["forget"],
        &["show"],
    ] {
        refused(args);
    }
}

#[test]
fn addresses() {
    insta::assert_snapshot!(refused(&["get", "example.com/a"]), @r"
    piton: example.com/a: not a URL: it does not start with http://, https:// or file://
      hint: did you mean https://example.com/a?
    ");
    insta::assert_snapshot!(
        refused(&["get", "ftp://ann:secret@example.com/a"]),
        @"piton: ftp://example.com/a: cannot fetch ftp: URLs; only http, https and file are supported"
    );
}

#[test]
fn what_goes_with_one_address_only() {
    insta::assert_snapshot!(refused(&["get", "-o", "a", "http://h/a", "http://h/b"]), @r"
    piton: -o FILE works with one URL only
      hint: -d DIR puts the files into a folder, each under its own name
    ");
    let digest = format!("md5:{}", "0".repeat(32));
    insta::assert_snapshot!(refused(&["get", "--checksum", &digest, "http://h/a", "http://h/b"]), @r"
    piton: --checksum works with one URL only
      hint: --checksum-file FILE gives the digests of several files
    ");
}

#[test]
fn outputs_that_are_no_file() {
    insta::assert_snapshot!(refused(&["get", "-o", ".", "http://h/a"]), @r"
    piton: . is a folder
      hint: -d DIR writes into a folder
    ");
    insta::assert_snapshot!(refused(&["get", "-o", "new/", "http://h/a"]), @r"
    piton: new/ is a folder
      hint: -d DIR writes into a folder
    ");
    refused(&["get", "-o", "-", "http://h/a"]);
}

#[test]
fn logins_are_not_repeated() {
    for args in [
        &["get", "--user", "ann-secret", "http://h/a"][..],
        &["get", "-H", "Authorization Bearer secret", "http://h/a"],
        &["get", "-H", "Authorization: secret\u{7}", "http://h/a"],
        &["get", "--proxy", "gopher://ann:secret@h", "http://h/a"],
        &["get", "http://ann:secret@h:99999/a"],
        &["get", "htp://ann:secret@h/a"],
        &["get", "ann:secret@h/a"],
    ] {
        let said = refused(args);
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn files_that_options_name_must_be_there() {
    for option in
        ["--netrc-file", "--cookies", "--ca-file", "--cert", "--checksum-file", "--config"]
    {
        let ran = Place::new().piton(&["get", option, "missing", "http://h/a"]);
        let start = "piton: cannot read missing: No such file";
        assert!(ran.code == 3 && ran.stderr.starts_with(start), "{option}: {ran:?}");
    }
}
