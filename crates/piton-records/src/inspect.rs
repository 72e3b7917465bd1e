//! How far a job is, for those who only look: without a lock, and with nothing changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use piton_checkpoint::store::{JournalStore, Spec};
use piton_durable::fs::{Fs, Open, read_full_at, with_suffix};
use serde_json::Value;

use crate::error::Error;
use crate::state::{OutputMode, OutputState, Phase, SourceState, State};

/// What the name of a state ends with, behind that of the job.
const STATE: &str = "piton-job";
/// Folders in folders that are searched.
const DEEPEST: u32 = 64;

/// A job, as a look at its state sees it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Inspected {
    /// Where its state is; never with a password.
    pub place: String,
    /// The number of its last run.
    pub run: u64,
    /// The process that runs it, if that is known.
    pub running: Option<u32>,
    /// Its last commit. `None`: it was killed before the first.
    pub known: Option<Known>,
}

/// What the last commit of a job says. Of that a kill at this moment would leave at least all but the last one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Known {
    /// Whether everything is done.
    pub finished: bool,
    /// The file that is read, if it is one, as the run was told.
    pub source: Option<PathBuf>,
    /// What kind of source it is, for people.
    pub kind: String,
    /// Records that are done.
    pub records: u64,
    /// How far the source is done: bytes of a file, numbers of a range.
    pub position: Option<u64>,
    /// Where it ends, in the same unit.
    pub whole: Option<u64>,
    /// Where results go.
    pub results: ResultsAt,
    /// Bytes of results that count.
    pub written: u64,
    /// The file of dead letters.
    pub dead_letters: Option<PathBuf>,
    /// Records among these.
    pub failed: u64,
    /// What is done with the records, if that is known: the command.
    pub work: Option<String>,
    /// When it began, in seconds since 1970.
    pub begun: Option<i64>,
    /// What the program keeps with the job ([`Builder::note`](crate::Builder::note)).
    pub note: Option<Value>,
}

/// Where the results of a job go, as the run was told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResultsAt {
    /// Nowhere: the work has effects only.
    Nowhere,
    /// Into this file, which has its name at the end.
    File(PathBuf),
    /// Behind what this file holds.
    Append(PathBuf),
    /// Into a pipe.
    Pipe,
}

/// Looks at the job whose state is there. `None`: there is no such job.
///
/// # Errors
/// The state is damaged, not ours, or cannot be read.
pub fn inspect(fs: &dyn Fs, state: &Spec) -> Result<Option<Inspected>, Error> {
    let Some(seen) = state.peek(fs)? else { return Ok(None) };
    let place = state.to_string();
    let last = seen.last().map(|text| State::decode(text, &place)).transpose()?;
    let known = last.map(Known::of);
    Ok(Some(Inspected { run: seen.held.epoch, running: seen.running, place, known }))
}

impl Known {
    fn of(state: State) -> Self {
        let (source, kind) = (&state.source, state.source.kind());
        let (path, records, position, whole) = match source {
            SourceState::File { path, position, identity, restart, .. } => {
                // The position in a compressed file is in bytes of what it holds.
                let whole = restart.is_none().then(|| identity.len.max(position.bytes));
                (Some(PathBuf::from(path)), position.records, Some(position.bytes), whole)
            }
            SourceState::Files { path, position } => {
                let files = position.get("files").and_then(Value::as_u64).unwrap_or(0);
                (Some(PathBuf::from(path)), files, None, None)
            }
            SourceState::Range { start, end, next } => {
                let done = next.saturating_sub(*start);
                (None, done, Some(done), Some(end.saturating_sub(*start)))
            }
            SourceState::Positions { records, .. } => (None, *records, None, None),
        };
        let results = match &state.output {
            None => ResultsAt::Nowhere,
            Some(OutputState { path, mode: OutputMode::Part, .. }) => ResultsAt::File(path.into()),
            Some(OutputState { path, mode: OutputMode::Append, .. }) => {
                ResultsAt::Append(path.into())
            }
            Some(OutputState { mode: OutputMode::Stream, .. }) => ResultsAt::Pipe,
        };
        Self {
            finished: state.phase == Phase::Finished,
            source: path,
            kind,
            records,
            position,
            whole,
            results,
            written: state.output.as_ref().map_or(0, |output| output.committed.length),
            dead_letters: state.letters.map(|letters| letters.path.into()),
            failed: state.work.as_ref().map_or(0, |work| work.failed),
            work: state.work.map(|work| work.what).filter(|what| !what.is_empty()),
            begun: state.about.begun,
            note: state.about.note,
        }
    }
}

/// The state of the job that is meant by this path: the state itself, or what it lies beside, which is the output, its
/// part or the source. `None`: there is none.
pub fn state_beside(fs: &dyn Fs, path: &Path) -> Option<Spec> {
    let part = path.extension().is_some_and(|it| it == "part").then(|| path.with_extension(""));
    [Some(path.to_owned()), Some(state_of(path)), part.as_deref().map(state_of)]
        .into_iter()
        .flatten()
        .find_map(|path| kind_of(fs, &path))
}

/// The name of the job with this state: what `.piton-job` was put behind, or `meant` if the state is elsewhere.
pub fn name_of(state: &Spec, meant: &Path) -> PathBuf {
    match state {
        Spec::Journal(path) | Spec::Json(path)
            if path.extension().is_some_and(|it| it == STATE) =>
        {
            path.with_extension("")
        }
        _ => match meant.extension() {
            Some(extension) if extension == "part" => meant.with_extension(""),
            _ => meant.to_owned(),
        },
    }
}

/// The store in this file, if it is one that a job keeps its state in. A file that should be one by its name is taken for
/// one whatever it holds, so that damage is reported.
fn kind_of(fs: &dyn Fs, path: &Path) -> Option<Spec> {
    let named = path.extension().is_some_and(|it| it == STATE);
    let there = fs.lstat(path).ok().flatten().filter(|stat| !stat.is_dir)?;
    let mut start = [0; 256];
    // Opening a FIFO would wait. What cannot be read is reported by those who look closer.
    let read = match there.is_file {
        true => fs.open(path, Open::Read).and_then(|file| read_full_at(&*file, &mut start, 0)),
        false => Ok(0),
    };
    let start = start.get(..read.unwrap_or(0)).unwrap_or_default();
    let json = start.starts_with(b"{")
        && start.windows(17).any(|bytes| bytes == &b"\"piton_job_state\""[..]);
    match (JournalStore::is_one(start), json) {
        (true, _) => Some(Spec::Journal(path.to_owned())),
        (_, true) => Some(Spec::Json(path.to_owned())),
        _ => named.then(|| Spec::Journal(path.to_owned())),
    }
}

/// The states with the usual name, `NAME.piton-job`, in this folder and below. Links to folders are followed, each folder
/// is searched once.
///
/// # Errors
/// The folder cannot be read. One below that cannot is passed over.
pub fn find_jobs(fs: &dyn Fs, folder: &Path) -> Result<Vec<Spec>, Error> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let names = match fs.list(&folder) {
            Ok(names) => names,
            Err(error) if depth == 0 => return Err(Error::io("read", &folder)(error)),
            Err(_) => continue,
        };
        for path in names.into_iter().map(|name| folder.join(name)) {
            let Ok(Some(stat)) = fs.stat(&path) else { continue };
            if stat.is_dir {
                if depth < DEEPEST && seen.insert(stat.id) {
                    folders.push((path, depth + 1));
                }
            } else if path.extension().is_some_and(|it| it == STATE) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found.iter().filter_map(|path| kind_of(fs, path)).collect())
}

/// Where the job of this name keeps its state, unless it is told otherwise.
pub(crate) fn state_of(name: &Path) -> PathBuf {
    with_suffix(name, &format!(".{STATE}"))
}
