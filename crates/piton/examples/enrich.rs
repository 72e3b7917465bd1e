//! Enriches a log on two threads, is stopped on the way, and resumes where it was.
//!
//! ```text
//! cargo run -p piton --example enrich
//! ```

#![allow(clippy::disallowed_methods, reason = "the example writes its own input")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use piton::records::parallel::{Failed, Monitor, Parallel, Size};
use piton::records::{Framing, RecordRef};

/// What is looked up for each host; a real program asks a database.
const COUNTRIES: [(&str, &str); 3] = [("10.0.0.1", "NO"), ("10.0.0.2", "PE"), ("10.0.0.3", "NP")];

fn enrich(line: &RecordRef<'_>) -> Result<String, Failed> {
    let text = std::str::from_utf8(line).map_err(|_| Failed::permanent("not UTF-8"))?;
    let host = text.split(' ').next().unwrap_or_default();
    let country = COUNTRIES.iter().find(|(known, _)| *known == host);
    let (_, country) = country.ok_or_else(|| Failed::permanent(format!("{host} is unknown")))?;
    Ok(format!("{country} {text}\n"))
}

/// One run, as after a reboot: it stops when `stop_after` pieces are finished.
fn run(folder: &Path, stop_after: u64) -> Result<bool, Box<dyn Error>> {
    let mut job = piton::job(folder.join("enriched.log"))?;
    job.dead_letters(folder.join("bad.jsonl"))?;
    job.output(folder.join("enriched.log"))?;
    let monitor = Arc::new(Monitor::default());
    // Cheap work: many lines at a time.
    let how = Parallel::new(2.try_into()?)
        .size(Size::Bytes((64 << 10).try_into()?))
        .what("countries, version 1")
        .monitor(Arc::clone(&monitor));
    let done = job.par_map(folder.join("access.log"), Framing::LINES, &how, |line| {
        if monitor.figures().pieces >= stop_after {
            monitor.stop();
        }
        enrich(line)
    })?;
    println!("{} lines are done, {} of them failed", done.records, done.failed);
    if done.stopped {
        return Ok(false);
    }
    job.finish()?;
    Ok(true)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut log = String::new();
    for number in 0..50_000 {
        writeln!(log, "10.0.0.{} GET /{number}", 1 + number % 3)?;
    }
    log.push_str("unknown.host GET /\n");
    std::fs::write(folder.path().join("access.log"), &log)?;

    assert!(!run(folder.path(), 3)?, "it was stopped");
    assert!(run(folder.path(), u64::MAX)?);

    let enriched = std::fs::read_to_string(folder.path().join("enriched.log"))?;
    assert_eq!(enriched.lines().count(), 50_000);
    assert_eq!(enriched.lines().nth(1), Some("PE 10.0.0.2 GET /1"));
    print!("bad.jsonl: {}", std::fs::read_to_string(folder.path().join("bad.jsonl"))?);
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
