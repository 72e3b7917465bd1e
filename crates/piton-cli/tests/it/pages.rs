//! What is made from the definition of the arguments.

use crate::command::Place;

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = Place::new().piton(&["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}");
        assert!(ran.stdout.contains("checksum-file"), "{shell}");
    }
}

#[test]
fn a_man_page_per_command() {
    let place = Place::new();
    let printed = place.piton(&["man"]);
    assert_eq!(printed.code, 0);
    assert!(printed.stdout.contains(".TH piton 1"), "{}", printed.stdout);
    assert_eq!(place.piton(&["man", "share/man1"]).code, 0);
    let mut names: Vec<_> = std::fs::read_dir(place.path("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "piton-adopt.1",
            "piton-completions.1",
            "piton-each.1",
            "piton-failures.1",
            "piton-forget.1",
            "piton-get.1",
            "piton-lines.1",
            "piton-man.1",
            "piton-resume.1",
            "piton-retry.1",
            "piton-show.1",
            "piton-status.1",
            "piton.1"
        ]
    );
    let page = std::fs::read_to_string(place.path("share/man1/piton-get.1")).unwrap();
    assert!(page.contains("if\\-changed"), "{page}");
    assert_eq!(std::fs::read_to_string(place.path("share/man1/piton.1")).unwrap(), printed.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let place = Place::new();
    let mut child = place.command(&["completions", "bash"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let place = Place::new();
    let ran: crate::command::Ran =
        place.command(&["completions", "bash"]).stdout(full).output().unwrap().into();
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.starts_with("piton: cannot write to standard output: No space left"));
}
