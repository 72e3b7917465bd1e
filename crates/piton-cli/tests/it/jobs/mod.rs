//! `piton lines` and `piton each`, and what other commands know of their jobs.

mod adopt;
mod commands;
mod keyboard;
mod known;
mod letters;

use serde_json::Value;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::command::Place;

/// The lines `1` to `n`.
pub(crate) fn numbers(place: &Place, name: &str, n: u64) {
    let lines: String = (1..=n).map(|number| format!("{number}\n")).collect();
    place.write(name, lines.as_bytes());
}

pub(crate) fn read(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A line of JSON.
pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// A shell as CMD that fails for one record, and else prints it.
pub(crate) fn fails_for(record: &str) -> String {
    format!("test \"$1\" != {record} && echo \"$1\"")
}

/// The names in the folder.
pub(crate) fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(&place.dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A job over the lines 1 to 5 that has done two of them and waits at the third until there is a file `go`.
pub(crate) struct Waiting {
    child: Child,
}

impl Waiting {
    pub(crate) fn start(place: &Place, more: &[&str]) -> Self {
        numbers(place, "n", 5);
        // It outlives a piton that is killed, but not its folder.
        let wait = "while ! test -e go; do test -e n || exit 1; sleep 0.02; done";
        let shell = &format!("if test $1 = 3; then {wait}; fi; echo $1");
        let head: &[&str] = match more.contains(&"-j") {
            true => &["each", "n"],
            false => &["each", "n", "-j", "1"],
        };
        let cmd = ["--", "/bin/sh", "-c", shell, "x", "{}"];
        let mut command = place.command(&[head, more, &cmd].concat());
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until this holds.
    pub(crate) fn until(&mut self, what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(30), "it never came to that");
            assert_eq!(self.child.try_wait().unwrap(), None, "it has ended");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end.
    pub(crate) fn finish(&mut self, place: &Place) -> Option<i32> {
        place.write("go", b"");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
