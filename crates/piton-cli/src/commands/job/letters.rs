//! `piton failures` and `piton retry` for dead letters.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;

use piton::records::command::{CommandLine, Input};
use piton::records::parallel::{Letter, LetterError, Size};
use serde_json::Value;

use super::open::is_same;
use super::run::{self, Kind, Task};
use super::trouble;
use crate::args::{Bytes, JobOptions};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::out;
use crate::trouble::Trouble;

/// The longest line that is looked at to tell letters from a list.
const LONGEST: u64 = 256 << 20;
/// JSON makes a record six times as long at most.
const MAX_RECORD: u64 = 6 * (16 << 20) + (1 << 20);

/// Whether the first line of this file is a dead letter.
pub(in crate::commands) fn are_letters(path: &Path) -> bool {
    let first = || -> io::Result<Vec<u8>> {
        // Opening a FIFO would wait.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(Vec::new());
        }
        let mut reader = BufReader::new(io::Read::take(File::open(path)?, LONGEST));
        // Most files are none, and their first bytes say so.
        if !reader.fill_buf()?.starts_with(b"{\"id\":") {
            return Ok(Vec::new());
        }
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        Ok(line)
    };
    first().is_ok_and(|line| Letter::parse(&line).is_ok())
}

/// Prints the records that failed as they were, or the letters.
pub(in crate::commands) fn failures(path: &Path, as_json: bool) -> Result<Exit, Trouble> {
    let file = File::open(path).map_err(|error| Trouble::file("open", path, &error))?;
    let (mut reader, mut without) = (BufReader::new(file), 0_u64);
    let mut failed = None;
    out::print_with(|stdout| {
        for number in 1_u64.. {
            match next(&mut reader, path, number) {
                Ok(None) => break,
                Ok(Some(letter)) if as_json => {
                    let value = serde_json::to_value(&letter).unwrap_or(Value::Null);
                    writeln!(stdout, "{}", out::json(&value))?;
                }
                Ok(Some(letter)) => match letter.bytes() {
                    Ok(bytes) => stdout.write_all(&bytes)?,
                    Err(LetterError::Empty) => without += 1,
                    Err(error) => {
                        failed = Some(invalid(path, number, &error));
                        break;
                    }
                },
                Err(trouble) => {
                    failed = Some(trouble);
                    break;
                }
            }
        }
        Ok(())
    })?;
    match (failed, without) {
        (Some(trouble), _) => Err(trouble),
        (None, 0) => Ok(Exit::Done),
        (None, _) => {
            let why =
                format!("{without} letters have no bytes: the records were longer than allowed");
            Err(Trouble::new(Exit::Items, why).hint("--json shows where they are"))
        }
    }
}

/// The letter in the line of this number. `None`: the file ends.
fn next(reader: &mut impl BufRead, path: &Path, number: u64) -> Result<Option<Letter>, Trouble> {
    let mut line = Vec::new();
    let read = reader.read_until(b'\n', &mut line);
    match read.map_err(|error| Trouble::file("read", path, &error))? {
        0 => Ok(None),
        _ => Letter::parse(&line).map(Some).map_err(|error| invalid(path, number, &error)),
    }
}

fn invalid(path: &Path, number: u64, error: &LetterError) -> Trouble {
    Trouble::usage(format!("line {number} of {}: {error}", out::path(path)))
}

/// Runs the command for each letter.
pub(in crate::commands) fn retry(
    path: &Path,
    command: Vec<std::ffi::OsString>,
    mut options: JobOptions,
    environment: &Environment,
) -> Result<Exit, Trouble> {
    if !are_letters(path) {
        let why = format!("{} holds no dead letters", out::path(path));
        return Err(Trouble::usage(why)
            .hint("piton lines and piton each write them with --dead-letter FILE"));
    }
    let outputs = [&options.work.dead_letter, &options.results.output, &options.results.append];
    if outputs.into_iter().flatten().any(|other| is_same(other, path)) {
        return Err(Trouble::usage("what fails again must go to another file"));
    }
    options.source.max_record.get_or_insert(Bytes(MAX_RECORD));
    let line = CommandLine::new(command).map_err(trouble::of_command)?;
    let input = if line.takes_record() { Input::Argument } else { Input::Stdin };
    let task = Task {
        file: path.to_owned(),
        line,
        input,
        size: Size::Records(NonZeroUsize::MIN),
        split_failed: false,
        kind: Kind::Letters,
        options,
    };
    run::run(&task, environment)
}
