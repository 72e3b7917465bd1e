//! What can go wrong with a job.

use std::io;
use std::path::{Path, PathBuf};

use piton_checkpoint::store::{SpecError, StoreError};
use piton_durable::held::{HeldError, may_pass};

use crate::command::RunError;
use crate::source::{Position, SourceChange};
use crate::start::Start;

/// Why a job stopped. What is done stays done: running the same job again resumes there, unless a variant says
/// otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state of the job cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text that says where the state is kept has no such meaning.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The state is whole, and this program does not understand it.
    #[error("the state {place} is invalid: {why}")]
    State {
        /// The store.
        place: String,
        /// Why.
        why: String,
    },
    /// The job was begun with something else. It is not run again by itself: restart it, or go back.
    #[error("the job was started with {what} {was}, and now it is {now}")]
    JobDiffers {
        /// What differs.
        what: &'static str,
        /// As the state has it.
        was: String,
        /// As it is now.
        now: String,
    },
    /// The source is not what was read before. Nothing was written. The user has to decide.
    #[error("{} has changed: {change}", path.display())]
    SourceChanged {
        /// The source.
        path: PathBuf,
        /// How.
        change: SourceChange,
    },
    /// The source has less than what is said to be done of it.
    #[error("{start}, it says, and {} has {} records and {} bytes", path.display(), end.records, end.bytes)]
    StartBeyondEnd {
        /// The source.
        path: PathBuf,
        /// What is said to be done.
        start: Start,
        /// What there is.
        end: Position,
    },
    /// The place where the job is to begin is not the start of a record.
    #[error("byte {offset} of {} is in the middle of a record", path.display())]
    StartWithinRecord {
        /// The source.
        path: PathBuf,
        /// That place.
        offset: u64,
    },
    /// Records are done that are behind ones that are not, and results are wanted in the order of the source.
    #[error(
        "record {first} is not done, and later ones are: their results cannot be in the order of the source"
    )]
    StartOutOfOrder {
        /// The first record that is not done.
        first: u64,
    },
    /// The job has a state already, so that it cannot begin elsewhere.
    #[error("the job has begun already, and continues at its own position")]
    StartedBefore,
    /// The source was renamed, and another file has its name: a log that was rotated. Only with
    /// [`Growth::Follow`](crate::Growth::Follow). Read the rest of the old one first, then the new one with
    /// [`Changed::FromStart`](crate::Changed::FromStart).
    #[error("{} was rotated: what was read is {} now", path.display(), old.display())]
    SourceRotated {
        /// The source.
        path: PathBuf,
        /// The file that was read.
        old: PathBuf,
    },
    /// Files of the folder were added, removed or renamed before the place where the job continues.
    #[error("the first {files} files in {} are not those that were processed", dir.display())]
    FilesChanged {
        /// The folder.
        dir: PathBuf,
        /// How many were processed.
        files: u64,
    },
    /// What was processed ahead of the position is not what the iterator gives now.
    #[error("items {from} to {to} were processed already, and other ones come there now")]
    ItemsChanged {
        /// The first one, from 0.
        from: u64,
        /// The one behind the last.
        to: u64,
    },
    /// The source is a folder, a device, a FIFO or a socket.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The source.
        path: PathBuf,
    },
    /// A compressed source ends in the middle of something.
    #[error("{} ends in the middle of {within}, at byte {at}", path.display())]
    SourceCut {
        /// The source.
        path: PathBuf,
        /// What is not whole.
        within: &'static str,
        /// Where it ends, in bytes of the file.
        at: u64,
    },
    /// A compressed source contradicts its format or its checksums.
    #[error(
        "{} is damaged at byte {at}: {what}; what it holds from its uncompressed byte {since} on may be wrong",
        path.display()
    )]
    SourceDamaged {
        /// The source.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// Where that was seen, in bytes of the file.
        at: u64,
        /// Where what the wrong checksum covers begins, in uncompressed bytes. Records from there on that were handed out
        /// may be wrong.
        since: u64,
    },
    /// A compressed source uses something of its format that is not supported.
    #[error("{} cannot be decoded at byte {at}: {what}", path.display())]
    SourceUnsupported {
        /// The source.
        path: PathBuf,
        /// What that is.
        what: &'static str,
        /// Where, in bytes of the file.
        at: u64,
    },
    /// A compressed source needs more memory than allowed ([`Builder::max_window`](crate::Builder::max_window)).
    #[error(
        "{} needs a window of {needed} bytes at byte {at}, and {allowed} are allowed",
        path.display()
    )]
    WindowTooLarge {
        /// The source.
        path: PathBuf,
        /// The window that it needs, in bytes.
        needed: u64,
        /// What is allowed.
        allowed: u64,
        /// Where, in bytes of the file.
        at: u64,
    },
    /// A record has more bytes than allowed.
    #[error("record {record} of {}, at byte {offset}, is longer than {limit} bytes", path.display())]
    RecordTooLong {
        /// The source.
        path: PathBuf,
        /// Where it begins.
        offset: u64,
        /// Its number, from 1: of lines the line number.
        record: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The source ends within a quoted field.
    #[error("record {record} of {}, at byte {offset}, has a quote that is never closed", path.display())]
    UnclosedQuote {
        /// The source.
        path: PathBuf,
        /// Where it begins.
        offset: u64,
        /// Its number, from 1.
        record: u64,
    },
    /// The output exists and this job has not written it.
    #[error("{} already exists", path.display())]
    OutputExists {
        /// The output.
        path: PathBuf,
    },
    /// There is an unfinished output and no state that says how far it counts.
    #[error("{} exists, but the job has no state that says how much of it counts", path.display())]
    OutputWithoutPosition {
        /// The unfinished output.
        path: PathBuf,
    },
    /// Somebody else has appended to the output, and that is not to be moved aside.
    #[error("{} has {len} bytes, and the job wrote it up to byte {written}: another program appended to it", path.display())]
    OutputForeign {
        /// The output.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// What the job wrote at most.
        written: u64,
    },
    /// The output is gone.
    #[error("{} is gone: another program moved or removed it", path.display())]
    OutputMissing {
        /// The output.
        path: PathBuf,
    },
    /// The output is shorter than what is surely durable.
    #[error("{} has {len} bytes, and {committed} were committed: another program cut it", path.display())]
    OutputShorter {
        /// The output.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// What it should have at least.
        committed: u64,
    },
    /// The last committed bytes of the output are not those that were written.
    #[error("another program changed {} before byte {committed}", path.display())]
    OutputChanged {
        /// The output.
        path: PathBuf,
        /// The committed length.
        committed: u64,
    },
    /// The output file could not be locked, written, synced or renamed.
    #[error(transparent)]
    Output(HeldError),
    /// The reader of the pipe that gets the results has ended. What it accepted counts.
    #[error("the program that reads the results has closed its end")]
    PipeClosed,
    /// The results could not be delivered.
    #[error("cannot write the results: {0}")]
    Pipe(io::Error),
    /// A piece failed, and there is no file for dead letters. Everything before it is done, and what was finished behind it
    /// is kept.
    #[error("{} failed{}: {why}", place(*line, *offset, *records), after(*attempts))]
    PieceFailed {
        /// The number of its first record, from 1.
        line: u64,
        /// Where it begins in the source.
        offset: u64,
        /// Records in it.
        records: u64,
        /// How often it was tried.
        attempts: u32,
        /// Why it failed.
        why: String,
        /// What the command wrote to standard error last.
        stderr: String,
    },
    /// The command could not be run at all.
    #[error(transparent)]
    Command(RunError),
    /// The result for a piece begins with another header than the first one: not all of them have one.
    #[error("the output for byte {start} begins with another header than the first output")]
    HeaderDiffers {
        /// Where the piece begins.
        start: u64,
    },
    /// The output, or the file for dead letters, is the source.
    #[error("{} is the source", path.display())]
    IsTheSource {
        /// The output.
        path: PathBuf,
    },
    /// More records failed than allowed. They are among the dead letters.
    #[error("{failed} of {records} records failed, more than allowed")]
    TooManyFailures {
        /// Records that failed.
        failed: u64,
        /// Records that are done.
        records: u64,
    },
    /// A result that waited for its turn cannot be read back. The next run does that piece again.
    #[error("the result for byte {start} in {} is damaged", path.display())]
    SpoolDamaged {
        /// The spool.
        path: PathBuf,
        /// Where the piece begins.
        start: u64,
    },
    /// The source could not be read.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that makes checkpoints could not be started.
    #[error("cannot start a thread for checkpoints: {0}")]
    Thread(io::Error),
    /// A position cannot be stored, or not be read back. A bug of the program.
    #[error("the position of the job cannot be kept as JSON: {0}")]
    Position(serde_json::Error),
    /// A result for a record that is not the current one: it is done, or of another loop. A bug of the program.
    #[error("a result was written for record {written}, which is not the current one")]
    NotCurrent {
        /// Its number.
        written: u64,
    },
    /// The job was to be finished before its source was read to the end.
    #[error("the job is not finished: its source was not read to the end")]
    NotExhausted,
    /// Steps in the wrong order: an output or a source was opened twice, or the output after the source. A bug of
    /// the program.
    #[error("{0}")]
    Order(&'static str),
    /// An earlier error has ended this run.
    #[error("an earlier error ended this run of the job")]
    Over,
}

impl Error {
    /// Whether running the job again later may succeed, without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Command(error) => error.is_transient(),
            Self::Output(error) => error.is_transient(),
            Self::Io { source, .. } => may_pass(source),
            Self::Thread(_) | Self::SpoolDamaged { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}

/// Which records, for people.
fn place(line: u64, offset: u64, records: u64) -> String {
    match records {
        1 => format!("record {line}, at byte {offset},"),
        _ => format!("records {line} to {}, at byte {offset},", line + records.saturating_sub(1)),
    }
}

fn after(attempts: u32) -> String {
    if attempts > 1 { format!(" after {attempts} attempts") } else { String::new() }
}

impl From<HeldError> for Error {
    fn from(error: HeldError) -> Self {
        match error {
            HeldError::Exchanged { path } => Self::OutputMissing { path },
            HeldError::Exists { path } => Self::OutputExists { path },
            error => Self::Output(error),
        }
    }
}
