//! Commands that misbehave, sources and outputs that others change, signals: an error or the right output, never a wrong
//! one.

mod commands;
mod options;
mod outputs;
mod signals;
mod sources;

use std::process::Command;

use piton::records::parallel::Letter;

use crate::command::{Place, Ran};

/// A folder with a source of these bytes.
fn place(input: &[u8]) -> Place {
    let place = Place::new();
    place.write("in", input);
    place
}

/// So many lines: `0 0`, `1 1` …
fn lines(count: u32) -> Vec<u8> {
    (0..count).flat_map(|n| format!("{n} {n}\n").into_bytes()).collect()
}

/// `piton ARGUMENTS -- sh -c SCRIPT`; of `each` the record is `$1`.
fn job(place: &Place, arguments: &[&str], script: &str) -> Command {
    let mut command = place.command(arguments);
    command.env("PATH", "/usr/bin:/bin").args(["--", "sh", "-c", script, "command"]);
    if arguments.first() == Some(&"each") {
        command.arg("{}");
    }
    command
}

fn run(place: &Place, arguments: &[&str], script: &str) -> Ran {
    job(place, arguments, script).output().unwrap().into()
}

fn read(place: &Place, name: &str) -> String {
    let bytes = std::fs::read(place.path(name)).unwrap_or_default();
    String::from_utf8(bytes).unwrap()
}

fn letters(place: &Place, name: &str) -> Vec<Letter> {
    let text = read(place, name);
    text.lines().map(|line| Letter::parse(line.as_bytes()).unwrap()).collect()
}

/// The run has this exit code and says this.
#[track_caller]
fn says(ran: &Ran, code: i32, text: &str) {
    assert!(ran.code == code && ran.stderr.contains(text), "{code}, {text:?}: {ran:?}");
}
