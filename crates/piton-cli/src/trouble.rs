//! An error as the user sees it: a sentence, a hint, and the exit code.

use std::io;
use std::path::Path;

use piton::durable::part::PartError;
use piton::fetch::Failure;

use crate::exit::Exit;
use crate::hint::hint;
use crate::redact;

/// Why the command, or one file of it, failed. Holds no login: see [`redact`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Trouble {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file that the command itself needs cannot be read or written.
    pub(crate) fn file(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::Local, format!("cannot {verb} {}: {error}", path.display()))
    }

    /// Something that the command needs in order to run is missing.
    pub(crate) fn cannot_start(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                Self::new(Exit::Local, format!("cannot start a thread: {error}"))
                    .hint("raise the limit on the number of processes (ulimit -u, pids.max)")
            }
            _ => Self::new(Exit::Unexpected, format!("cannot start: {error}")),
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<&Failure> for Trouble {
    fn from(failure: &Failure) -> Self {
        let own_pid = std::process::id();
        if let Failure::Local(PartError::Locked { path, holder: Some(pid) }) = failure
            && *pid == own_pid
        {
            let message =
                format!("{} is being written for another URL of this command", path.display());
            return Self::new(Exit::Locked, message)
                .hint("fetch them one after the other, or into separate folders with -d DIR");
        }
        Self {
            exit: failure.into(),
            message: redact::text(&failure.to_string()),
            hint: hint(failure).map(str::to_owned),
        }
    }
}

impl From<PartError> for Trouble {
    fn from(error: PartError) -> Self {
        Self::from(&Failure::from(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_for_one_name_are_told_apart_from_another_process() {
        let locked = |holder| {
            let path = std::path::PathBuf::from("a.iso.part");
            Trouble::from(&Failure::Local(PartError::Locked { path, holder }))
        };
        let own = locked(Some(std::process::id()));
        assert_eq!(own.message, "a.iso.part is being written for another URL of this command");
        assert_eq!(own.exit, Exit::Locked);
        let other = locked(Some(1));
        assert!(other.message.contains("another process (process 1)"), "{}", other.message);
        assert_eq!(other.exit, Exit::Locked);
    }
}
