use crate::command::Place;

fn stdout(args: &[&str]) -> String {
    let ran = Place::new().piton(args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    ran.stdout
}

#[test]
fn version() {
    assert_eq!(stdout(&["--version"]), format!("piton {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn short_help_fits_a_screen() {
    insta::assert_snapshot!(stdout(&["-h"]), @"");
    insta::assert_snapshot!(stdout(&["get", "-h"]), @"");
    for command in ["get", "resume", "status", "show", "forget"] {
        let help = stdout(&[command, "-h"]);
        assert!(help.lines().count() <= 48, "{command}: {} lines", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn long_help_has_everything() {
    let help = stdout(&["get", "--help"]);
    for text in
        ["Examples:", "--ca-file", "--if-changed", "[possible values: power, process, none]"]
    {
        assert!(help.contains(text), "{text}");
    }
    let help = stdout(&["--help"]);
    for text in ["piton completions SHELL", "Exit codes:", "143  terminated"] {
        assert!(help.contains(text), "{text}");
    }
}
