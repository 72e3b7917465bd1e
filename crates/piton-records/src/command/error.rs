//! Why a command could not be run.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use piton_durable::held::may_pass;
use rustix::io::Errno;

use super::line::Invocation;

/// Why there is no result of a command. A command that ran and failed is none of these: see [`Ended`](super::Ended).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The command line has no program.
    #[error("there is no command to run")]
    NoProgram,
    /// There is no such program.
    #[error("cannot run {}: there is no such program", program.display())]
    NotFound {
        /// Its name.
        program: OsString,
    },
    /// The program is there; what runs it is not: the interpreter that its first line names, or its loader.
    #[error("cannot run {}: its interpreter is missing", program.display())]
    NoInterpreter {
        /// Its name.
        program: OsString,
    },
    /// It is not a program, or this user may not run it.
    #[error("cannot run {}: {source}", program.display())]
    NotExecutable {
        /// Its name.
        program: OsString,
        /// What the system says.
        source: io::Error,
    },
    /// The arguments and the environment are longer than the system allows.
    #[error("{} for the arguments of {}", too_long(*record), program.display())]
    TooLong {
        /// The program.
        program: OsString,
        /// Length of the record, if it is in the arguments.
        record: Option<usize>,
    },
    /// An argument or a variable with a NUL byte, which no program can be given.
    #[error("{what} has a NUL byte, which no command can be given")]
    Nul {
        /// What has it.
        what: &'static str,
    },
    /// The system could not start another process now.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: OsString,
        /// Why.
        source: io::Error,
    },
    /// The output is larger than what is kept in memory, and could not be written to a temporary file. The command was
    /// ended; it is not its failure.
    #[error("cannot {what} a temporary file for the output of the command in {}: {source}", dir.display())]
    Spill {
        /// The operation, as a verb.
        what: &'static str,
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused an operation on the running command, which was ended.
    #[error("cannot {what} the command: {source}")]
    Io {
        /// The operation, as a verb.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn too_long(record: Option<usize>) -> String {
    match record {
        Some(len) => format!("the record has {len} bytes, which are too many"),
        None => "the command line or the environment is too long".to_owned(),
    }
}

impl RunError {
    /// Whether running the same command again later may succeed, without anybody changing anything but for making
    /// space.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Start { .. } | Self::Io { .. } => true,
            Self::Spill { source, .. } => may_pass(source),
            _ => false,
        }
    }

    /// Whether it is the fault of this record: other records may pass.
    pub fn is_of_the_record(&self) -> bool {
        matches!(self, Self::TooLong { record: Some(_), .. } | Self::Nul { what: "the record" })
    }

    pub(super) fn io(what: &'static str) -> impl FnOnce(Errno) -> Self {
        move |source| Self::Io { what, source: source.into() }
    }

    /// Of a command that could not be started.
    pub(super) fn start(invocation: &Invocation<'_>, source: io::Error) -> Self {
        let program = invocation.program.to_owned();
        if source.kind() == io::ErrorKind::InvalidInput && source.raw_os_error().is_none() {
            return Self::Nul { what: "the environment for the command" };
        }
        match Errno::from_io_error(&source) {
            Some(Errno::NOENT) if has_file(invocation.program) => Self::NoInterpreter { program },
            Some(Errno::NOENT) => Self::NotFound { program },
            Some(Errno::TOOBIG) => Self::TooLong { program, record: invocation.record },
            Some(
                Errno::AGAIN
                | Errno::NOMEM
                | Errno::TXTBSY
                | Errno::MFILE
                | Errno::NFILE
                | Errno::INTR
                | Errno::IO
                | Errno::STALE,
            ) => Self::Start { program, source },
            _ => Self::NotExecutable { program, source },
        }
    }
}

/// Whether the program is a path at which there is something.
fn has_file(program: &OsStr) -> bool {
    let path = Path::new(program);
    path.components().count() > 1 && path.exists()
}
