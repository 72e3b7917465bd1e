//! A test that cannot run on this machine says so, where somebody reads it.

#![allow(clippy::disallowed_types, reason = "the list of a test run need not survive a crash")]

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Names the file to which [`skip`] appends.
const SKIPS: &str = "PITON_TEST_SKIPS";

/// Says that the calling test cannot run here, and why; the test returns next.
///
/// A test runner hides what a passing test prints, so the line also goes to the end of the file
/// that `PITON_TEST_SKIPS` names: `scripts/test` lists it.
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("SKIPPED: {test}: {reason}\n");
    eprint!("{line}");
    let Some(path) = std::env::var_os(SKIPS) else { return };
    // One write to the end of the file: lines of tests that run side by side do not mix.
    let appended = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = appended {
        eprintln!("the list of skipped tests: {error}");
    }
}
