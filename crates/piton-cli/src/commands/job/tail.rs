//! `piton lines FILE` without a command: the records that were not printed before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use piton::durable::fs::parent_dir;
use piton::records::{Builder, Changed, Error, Framing, Growth};

use super::open::{self, Sink, outputs};
use super::trouble::of_job;
use crate::args::JobOptions;
use crate::exit::Exit;
use crate::out;
use crate::signals::{Brakes, Pull};
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
        move |pull| match pull {
            Pull::Stop | Pull::Quit => stopped.store(true, Ordering::Relaxed),
            Pull::Suspend | Pull::Continue => {}
        }
    })
    .map_err(|error| Trouble::cannot_start(&error))?;
    let log = Log { name: file, sink: &sink, options, stopped: &stopped };
    let printed = match log.print(file, Changed::Stop)? {
        // What is left of the old one comes first.
        Err(Error::SourceRotated { old, .. }) => match log.print_last(&old)? {
            Ok(()) if !stopped.load(Ordering::Relaxed) => {
                for between in rotated_since(file, &old) {
                    let between = out::path(&between);
                    out::say(format!(
                        "piton: {between} was rotated too since the last run: it is not printed"
                    ));
                }
                log.print(file, Changed::FromStart)?
            }
            printed => printed,
        },
        printed => printed,
    };
    match printed {
        Ok(()) => Ok(brakes.pulled().unwrap_or(Exit::Done)),
        Err(Error::PipeClosed) => Ok(Exit::Done),
        Err(error) => Err(of_job(error)),
    }
}

/// Files beside the log that look as if they were rotated after `old`. What cannot be looked at is none.
fn rotated_since(file: &Path, old: &Path) -> Vec<PathBuf> {
    let modified = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
    let (Some(name), Some(since)) = (file.file_name(), modified(old)) else { return Vec::new() };
    let is_one = |path: &PathBuf| {
        let bytes = path.file_name().unwrap_or_default().as_encoded_bytes();
        path != old
            && bytes.len() > name.len()
            && bytes.starts_with(name.as_encoded_bytes())
            && !bytes.ends_with(b".piton-job")
            && modified(path).is_some_and(|at| at > since)
    };
    let entries = std::fs::read_dir(parent_dir(file)).into_iter().flatten().flatten();
    entries.map(|entry| parent_dir(file).join(entry.file_name())).filter(is_one).collect()
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
        let mut builder =
            open::builder(self.name, self.name, self.sink, self.options, Growth::Follow)?;
        if changed != Changed::Stop {
            builder = builder.changed(changed);
        }
        self.print_with(file, builder)
    }

    /// Prints what is left of a file that nobody appends to any more: its last line counts as it is.
    fn print_last(&self, old: &Path) -> Result<Result<(), Error>, Trouble> {
        let builder = open::builder(self.name, self.name, self.sink, self.options, Growth::Accept)?;
        self.print_with(old, builder)
    }

    fn print_with(&self, file: &Path, builder: Builder) -> Result<Result<(), Error>, Trouble> {
        let mut job = builder.open().map_err(of_job)?;
        let mut results = outputs(&mut job, self.sink, None)?;
        if let Some(path) = job.set_aside() {
            out::say(format!("piton: what another program wrote is in {}", path.display()));
        }
        let framing = self.options.source.framing();
        let mut print = || {
            for record in job.records(file, framing)? {
                if self.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let record = record?;
                results.write(&record, record.raw())?;
                if let Framing::Delimited(end) = framing
                    && !record.raw().ends_with(&[end])
                {
                    // The last line of a file that was rotated; the next one begins behind it.
                    results.write(&record, [end])?;
                }
            }
            // Not finished: the file may grow.
            job.commit_now()
        };
        Ok(print())
    }
}
