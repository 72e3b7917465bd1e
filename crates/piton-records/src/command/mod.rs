//! Runs one external command over one piece of input: what `lines FILE -- CMD` and `each FILE -- CMD {}` are made of.
//!
//! ```
//! use piton_records::command::{CommandLine, Ended, Limits, Runner, Stop};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stop = Stop::new()?;                                   // another thread may end everything with it
//! let mut runner = Runner::new(Limits::new("/tmp"), &stop);  // one for each thread
//! let count = CommandLine::new(vec!["wc".into(), "-l".into()])?;
//! let ran = runner.run(&count.as_given(), Some(b"a\nb\n"), &[], &mut |_| ())?;
//! assert_eq!(ran.ended, Ended::Code(0));
//!
//! let greet = CommandLine::new(vec!["echo".into(), "hello, {}".into()])?;
//! let ran = runner.run(&greet.with_record(b"ada")?, None, &[("PITON_LINE", "1".as_ref())], &mut |_| ())?;
//! assert_eq!(ran.output.len(), 11);
//! # Ok(())
//! # }
//! ```
//!
//! # What a command gets
//!
//! Its standard input is a pipe with the piece, or `/dev/null`; the environment is that of this process and what the
//! caller adds; no other file of this process is open in it. SIGPIPE has its default and no signal is blocked. It is
//! the leader of a process group of its own: Ctrl-C at the terminal reaches this process only, which decides. For the
//! same reason it cannot read from the terminal.
//!
//! # When it has ended
//!
//! - The exit code decides, and nothing else: a command may leave its input unread, and may close its output early.
//! - Its output is complete when it has ended **and** nobody has its standard output open any more. Children that
//!   still do when it exits have a second ([`LINGER`]); then the run is [`Ended::HeldOpen`], which is a failure, and
//!   they are killed. Children that have closed it (daemons) are left alone; if they kept the standard error open,
//!   it is read for that second, and closed.
//! - A timeout and [`Stop::stop`] send SIGTERM to the process group, and SIGKILL to what is left after five seconds
//!   ([`GRACE`]). [`Stop::kill`] sends that at once. Meanwhile the input stays open: a command must not take what it
//!   has for the whole. Children that started a session of their own (`setsid`) are out of reach.
//! - If this process is killed, a command loses its pipes, and is not ended otherwise. It may see its input end early.
//!
//! # What it costs
//!
//! One thread drives the command with poll(2): input, output, errors, its end (a pidfd), the time limit and the stop.
//! Output beyond [`Limits::memory`] goes to a temporary file without a name. A program that embeds this must ignore
//! SIGPIPE, as Rust programs do by themselves: otherwise a command that does not read its input ends it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use piton_durable::fs::{Fs, OsFs};

mod capture;
mod child;
mod error;
mod input;
mod letters;
mod line;
mod quote;
mod run;
mod stop;
mod tail;
mod work;

pub use capture::Body;
pub use error::RunError;
pub use letters::LetterWork;
pub use line::{CommandLine, Invocation};
pub use stop::Stop;
pub use work::{CommandWork, Input, OnStderr, TRY_AGAIN};

/// How long a command has to end after it was asked to.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long the output of a command may stay open after it has ended.
pub const LINGER: Duration = Duration::from_secs(1);

/// What a command may take.
#[derive(Clone)]
#[non_exhaustive]
pub struct Limits {
    /// How long it may run. `None`: as long as it likes.
    pub timeout: Option<Duration>,
    /// How many bytes of its output are kept in memory.
    pub memory: usize,
    /// The directory for the temporary files of larger outputs.
    pub spill: PathBuf,
    /// How many of the last bytes of its standard error are kept.
    pub stderr: usize,
    /// Where that directory is.
    pub fs: Arc<dyn Fs>,
}

impl Limits {
    /// No time limit, 16 MiB of output in memory, 4 KiB of errors.
    pub fn new(spill: impl Into<PathBuf>) -> Self {
        let (memory, stderr) = (16 << 20, 4 << 10);
        Self { timeout: None, memory, spill: spill.into(), stderr, fs: Arc::new(OsFs) }
    }
}

/// How a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// With this exit code, and its output is complete.
    Code(i32),
    /// By this signal, which was not ours.
    Signal(i32),
    /// With code 0, but a process that it left behind had its output open for too long: it is not complete.
    HeldOpen,
    /// It ran for too long, and was ended.
    TimedOut,
    /// [`Stop`] ended it, or it was not started for that reason.
    Stopped,
}

impl Ended {
    /// Whether its output counts.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

/// A command that has run.
#[derive(Debug, Clone)]
pub struct Ran {
    /// How it has ended.
    pub ended: Ended,
    /// What it wrote to its standard output. Complete if [`Ended::is_success`]; empty if we ended it.
    pub output: Body,
    /// The last bytes that it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// From its start to its end.
    pub took: Duration,
}

impl Ran {
    fn not_started() -> Self {
        let (output, stderr) = (Body::Memory(Vec::new()), Vec::new());
        Self { ended: Ended::Stopped, output, stderr, took: Duration::ZERO }
    }
}

/// Runs commands one after the other, and keeps its buffers in between. Each thread has its own.
pub struct Runner {
    spill: capture::Spill,
    timeout: Option<Duration>,
    stderr: usize,
    stop: Stop,
    buffer: Vec<u8>,
    chunk: Vec<u8>,
}

impl Runner {
    /// A runner whose commands are ended by `stop`.
    pub fn new(limits: Limits, stop: &Stop) -> Self {
        let Limits { timeout, memory, spill: dir, stderr, fs } = limits;
        let spill = capture::Spill { fs, dir, limit: memory };
        let (stop, buffer, chunk) = (stop.clone(), Vec::new(), Vec::new());
        Self { spill, timeout, stderr, stop, buffer, chunk }
    }

    /// Runs a command to its end. `input` is written to its standard input, which is `/dev/null` for `None`; `env`
    /// is added to the environment; `on_stderr` gets what it writes to its standard error, as it comes.
    ///
    /// # Errors
    /// If it could not be started, or its output could not be received ([`RunError::is_transient`],
    /// [`RunError::is_of_the_record`]). It does not run any more then, and left no file behind.
    pub fn run(
        &mut self,
        invocation: &Invocation<'_>,
        input: Option<&[u8]>,
        env: &[(&str, &OsStr)],
        on_stderr: &mut dyn FnMut(&[u8]),
    ) -> Result<Ran, RunError> {
        run::run(self, invocation, input, env, on_stderr)
    }

    /// Takes the memory of an output back, for the next one.
    pub fn recycle(&mut self, output: Body) {
        match output {
            Body::Memory(bytes) if bytes.capacity() > self.buffer.capacity() => self.buffer = bytes,
            _ => {}
        }
    }
}
