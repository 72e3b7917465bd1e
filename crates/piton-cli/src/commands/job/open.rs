//! Opens a job as its options say.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use piton::checkpoint::store::Spec;
use piton::records::{Builder, Changed, Checkpoints, Foreign, Growth, Job, Output};

use super::trouble::of_job;
use super::{adopt, kept};
use crate::args::{Bytes, Every, JobOptions};
use crate::exit::Exit;
use crate::out;
use crate::trouble::Trouble;

/// Where results go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sink {
    /// A file that appears when the job is done.
    File(PathBuf),
    /// The end of a file.
    Append(PathBuf),
    /// The file that is standard output: `>>` of the shell.
    Stdout(PathBuf),
    /// A pipe or a terminal.
    Stream,
}

impl Sink {
    /// Of these options; standard output may be a file.
    pub(super) fn of(options: &JobOptions) -> Result<Self, Trouble> {
        let results = &options.results;
        let sink = match (&results.output, &results.append) {
            (Some(path), _) => Self::File(path.clone()),
            (None, Some(path)) => Self::Append(path.clone()),
            (None, None) => match regular_stdout()? {
                Some(path) => Self::Stdout(path),
                None => Self::Stream,
            },
        };
        if options.screen.json && matches!((&results.output, &results.append), (None, None)) {
            return Err(Trouble::usage("--json writes to standard output, as the results do")
                .hint("-o FILE or --append FILE writes the results elsewhere"));
        }
        if results.commit_at_end && sink != Self::Stream {
            return Err(Trouble::usage("--commit-at-end is for a pipe, not for a file"));
        }
        Ok(sink)
    }

    /// The job has ended. Its results were written at their place; whoever shares standard output continues behind them.
    pub(super) fn close(&self) {
        if matches!(self, Self::Stdout(_)) {
            // If that fails, nobody shares it.
            let _ = rustix::fs::seek(io::stdout(), rustix::fs::SeekFrom::End(0));
        }
    }

    /// The file, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Append(path) | Self::Stdout(path) => Some(path),
            Self::Stream => None,
        }
    }
}

/// The path of standard output, if that is a file: `>>` of the shell.
fn regular_stdout() -> Result<Option<PathBuf>, Trouble> {
    let cannot = |error: io::Error| {
        Trouble::new(Exit::Local, format!("cannot inspect standard output: {error}"))
    };
    let opened = out::stdout_metadata().map_err(cannot)?;
    if !opened.is_file() {
        return Ok(None);
    }
    let path = std::fs::read_link("/proc/self/fd/1").map_err(cannot)?;
    let named = std::fs::metadata(&path).ok();
    match named.is_some_and(|it| (it.dev(), it.ino()) == (opened.dev(), opened.ino())) {
        true => Ok(Some(path)),
        false => Err(Trouble::new(Exit::Local, "standard output is a file without a name")
            .hint("-o FILE or --append FILE names the file for the results")),
    }
}

/// A source that is not there, or not a file, must not leave a job behind.
pub(super) fn check_source(path: &Path) -> Result<(), Trouble> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => {
            Err(Trouble::new(Exit::Local, format!("{} is not a regular file", path.display())))
        }
        Err(error) => Err(Trouble::file("read", path, &error)),
    }
}

/// Whether both are there, and the same file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| std::fs::metadata(path).ok().map(|there| (there.dev(), there.ino()));
    id(one).is_some_and(|one| id(other) == Some(one))
}

/// The state must not be kept in the source: a restart would move it aside.
fn check_state(spec: &str, source: &Path) -> Result<(), Trouble> {
    let is_source = match spec.parse() {
        Ok(Spec::Journal(path) | Spec::Json(path) | Spec::Sqlite { path, .. }) => {
            is_same(&path, source)
        }
        // What is none is reported when the job is opened.
        _ => false,
    };
    match is_source {
        true => Err(Trouble::usage("--state names the file that is read")
            .hint("--state file:PATH needs a file of its own")),
        false => Ok(()),
    }
}

/// What the state of the job is named after.
pub(super) fn name(file: &Path, sink: &Sink) -> PathBuf {
    sink.path().unwrap_or(file).to_owned()
}

/// The job as these options say, with its state.
pub(super) fn builder(
    file: &Path,
    name: &Path,
    sink: &Sink,
    options: &JobOptions,
    growth: Growth,
) -> Result<Builder, Trouble> {
    // What others write to standard output may belong there.
    let foreign = match sink {
        Sink::Stdout(_) => Foreign::Refuse,
        _ => Foreign::SetAside,
    };
    let (source, results) = (&options.source, &options.results);
    let growth = if source.accept_append { Growth::Accept } else { growth };
    let changed = if source.rebase { Changed::Rebase } else { Changed::Stop };
    let checkpoints = match results.checkpoint_every {
        _ if results.commit_at_end => Checkpoints::AtEnd,
        None => Checkpoints::Auto,
        Some(Every::Records(records)) => {
            let records = records.get();
            Checkpoints::Records { commit: records, sync: records }
        }
        Some(Every::Time(time)) => Checkpoints::Time(time),
    };
    let mut builder = Job::builder(name)
        .growth(growth)
        .changed(changed)
        .checkpoints(checkpoints)
        .foreign(foreign)
        .note(kept::invocation())
        .verify_source(source.verify_source.is_some());
    if let Some(state) = &results.state {
        check_state(state, file)?;
        builder = builder.state(state.clone());
    }
    if let Some(format) = source.compression {
        builder = builder.compression(format.into());
    }
    if let Some(Bytes(most)) = source.max_window {
        builder = builder.max_window(most);
    }
    if let Some(Bytes(most)) = source.max_record {
        builder = builder.max_record(most);
    }
    if let Some(start) = adopt::start(file, options)? {
        builder = builder.begin_at(start);
    }
    Ok(if source.restart { builder.restart() } else { builder })
}

/// Opens the outputs of a job.
pub(super) fn outputs(
    job: &mut Job,
    sink: &Sink,
    dead_letters: Option<&Path>,
) -> Result<Output, Trouble> {
    if let Some(path) = dead_letters {
        job.dead_letters(path).map_err(of_job)?;
    }
    let output = match sink {
        Sink::File(path) => job.output(path),
        Sink::Append(path) | Sink::Stdout(path) => job.append(path),
        Sink::Stream => job.stream(io::stdout()),
    };
    output.map_err(of_job)
}
