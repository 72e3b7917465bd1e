//! `piton lines FILE` without a command: the records that were not printed before.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use piton::records::{Changed, Error, Growth};

use super::open::{self, Sink, outputs};
use super::trouble::of_job;
use crate::args::JobOptions;
use crate::exit::Exit;
use crate::signals::Brakes;
use crate::trouble::Trouble;

pub(super) fn tail(file: &Path, options: &JobOptions) -> Result<Exit, Trouble> {
    if options.results.output.is_some() {
        return Err(Trouble::usage("-o needs a CMD")
            .hint("without one, --append FILE appends what is new to FILE"));
    }
    let work = &options.work;
    if work.dead_letter.is_some() || work.jobs.is_some() || options.source.header {
        return Err(Trouble::usage("--dead-letter, --jobs and --header need a CMD"));
    }
    // Standard output is a stream here whatever it is: others may write to it between two runs.
    let sink = match &options.results.append {
        Some(path) => Sink::Append(path.clone()),
        None => Sink::Stream,
    };
    let stopped = Arc::new(AtomicBool::new(false));
    let brakes = Brakes::install({
        let stopped = Arc::clone(&stopped);
        // Whatever it is: what is printed is saved at once.
        move |_| stopped.store(true, Ordering::Relaxed)
    })
    .map_err(|error| Trouble::cannot_start(&error))?;
    let log = Log { name: file, sink: &sink, options, stopped: &stopped };
    let printed = match log.print(file, Changed::Stop)? {
        // What is left of the old one comes first.
        Err(Error::SourceRotated { old, .. }) => match log.print(&old, Changed::Stop)? {
            Ok(()) => log.print(file, Changed::FromStart)?,
            error => error,
        },
        printed => printed,
    };
    match printed {
        Ok(()) => Ok(brakes.pulled().unwrap_or(Exit::Done)),
        Err(Error::PipeClosed) => Ok(Exit::Done),
        Err(error) => Err(of_job(error)),
    }
}

/// A log that may grow and be rotated, and where it is printed to.
struct Log<'a> {
    /// What the state is named after.
    name: &'a Path,
    sink: &'a Sink,
    options: &'a JobOptions,
    stopped: &'a AtomicBool,
}

impl Log<'_> {
    /// Prints what is new in this file.
    fn print(&self, file: &Path, changed: Changed) -> Result<Result<(), Error>, Trouble> {
        let mut builder = open::builder(self.name, self.sink, self.options, Growth::Follow);
        if changed != Changed::Stop {
            builder = builder.changed(changed);
        }
        let mut job = builder.open().map_err(of_job)?;
        let mut out = outputs(&mut job, self.sink, None)?;
        let mut print = || {
            for record in job.records(file, self.options.source.framing())? {
                if self.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let record = record?;
                out.write(&record, record.raw())?;
            }
            // Not finished: the file may grow.
            job.commit_now()
        };
        Ok(print())
    }
}
