//! Calls a paid service for each row of a table. It dies on the way; no answer that it had is paid for again.
//!
//! ```text
//! cargo run -p piton --example paid_calls
//! ```

#![allow(clippy::disallowed_methods, reason = "the example writes its own input")]

use std::error::Error;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use piton::records::parallel::{Done, Failed, Parallel};
use piton::records::{Error as JobError, Framing};

/// The service, and what it has been paid for.
#[derive(Default)]
struct Service {
    paid: Mutex<Vec<String>>,
    asked: AtomicU64,
}

impl Service {
    /// `id` goes into the `Idempotency-Key` of the request.
    fn ask(&self, id: String, question: &str) -> Result<String, Failed> {
        if question.is_empty() {
            return Err(Failed::permanent("400 Bad Request"));
        }
        // Now and then it is overloaded.
        if self.asked.fetch_add(1, Ordering::Relaxed) % 7 == 6 {
            return Err(Failed::transient("503 Service Unavailable"));
        }
        self.paid.lock().map_err(|_| Failed::transient("connection lost"))?.push(id);
        Ok(format!("{question} => {}\n", question.len()))
    }
}

fn run(folder: &Path, service: &Service, dies_at: Option<u64>) -> Result<Done, JobError> {
    let mut job = piton::job(folder.join("answers.txt"))?;
    job.output(folder.join("answers.txt"))?;
    let four = std::num::NonZeroUsize::MIN.saturating_add(3);
    // One record is a piece: it is expensive.
    let how = Parallel::new(four)
        .what("ask, version 1")
        .retries(3, Duration::from_millis(1))
        .rate(Some(2000.0))
        .commit_each(true);
    let done = job.par_map(folder.join("questions.txt"), Framing::LINES, &how, |row| {
        if dies_at.is_some_and(|line| row.line() == line) {
            return Err(Failed::permanent("the machine loses its power"));
        }
        service.ask(row.id(), &String::from_utf8_lossy(row))
    })?;
    job.finish()?;
    Ok(done)
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let questions: Vec<String> = (0..200).map(|number| format!("question {number}\n")).collect();
    std::fs::write(folder.path().join("questions.txt"), questions.concat())?;
    let service = Service::default();

    let died = run(folder.path(), &service, Some(100));
    println!("{}", died.err().map_or_else(String::new, |error| error.to_string()));
    let done = run(folder.path(), &service, None)?;
    println!("{} rows are done", done.records);

    let mut paid = service.paid.into_inner()?;
    let calls = paid.len();
    paid.sort();
    paid.dedup();
    println!("{calls} calls were paid for {} rows", paid.len());
    assert_eq!((calls, paid.len()), (200, 200));
    let answers = std::fs::read_to_string(folder.path().join("answers.txt"))?;
    assert_eq!(answers.lines().nth(7), Some("question 7 => 10"));
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
