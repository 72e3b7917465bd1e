//! Failures of a whole list, as exit codes and messages.

use piton::checkpoint::ledger::LedgerError;
use piton::durable::replace::ReplaceError;
use piton::lists::adopt::AdoptError;
use piton::lists::format::ListError;
use piton::lists::name::FolderError;
use piton::lists::report::ReportError;
use piton::lists::run::RunError;
use piton::lists::source::SourceError;

use crate::exit::Exit;
use crate::redact;
use crate::trouble::Trouble;

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Self {
        let exit = match error {
            LedgerError::Locked { .. } => Exit::Locked,
            _ => Exit::Local,
        };
        let hint = match &error {
            LedgerError::Locked { .. } => "wait for the other process, or stop it",
            LedgerError::Missing { .. } => {
                "piton get -i LIST starts a list; --state FILE gives the place of its state"
            }
            LedgerError::Foreign { .. } | LedgerError::NoSharedMemory { .. } => {
                "--state FILE keeps the state in another place"
            }
            LedgerError::StrayJournal { .. } => "move it to another folder",
            LedgerError::NewerFormat { .. } => "use that version",
            LedgerError::NotOurs { why, .. } => why.remedy(),
            LedgerError::Full { .. } => {
                "free some space and run the same command again: everything recorded is kept"
            }
            LedgerError::Sync { .. } => {
                "check the disk, then run the same command again: everything recorded is kept"
            }
            LedgerError::Io { .. } => {
                "--state FILE keeps the state in a place that you can write to"
            }
            _ => return Self::new(exit, error.to_string()),
        };
        Self::new(exit, error.to_string()).hint(hint)
    }
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::new(Exit::Local, error.to_string())
    }
}

impl From<ReplaceError> for Trouble {
    fn from(error: ReplaceError) -> Self {
        Self::new(Exit::Local, error.to_string())
    }
}

impl From<FolderError> for Trouble {
    fn from(error: FolderError) -> Self {
        Self::new(Exit::Local, error.to_string()).hint("-d DIR chooses the folder for the files")
    }
}

impl From<ListError> for Trouble {
    fn from(error: ListError) -> Self {
        let exit = match error {
            ListError::Read(_) => Exit::Local,
            _ => Exit::Usage,
        };
        let hint = match error {
            ListError::NoBase => "give one with --base URL",
            ListError::Root { .. } | ListError::Xml { .. } | ListError::NoUrlColumn { .. } => {
                "set the format with --list-format if it was detected wrongly"
            }
            _ => return Self::new(exit, redact::text(&error.to_string())),
        };
        Self::new(exit, redact::text(&error.to_string())).hint(hint)
    }
}

impl From<RunError> for Trouble {
    fn from(error: RunError) -> Self {
        match error {
            RunError::List(error) => error.into(),
            RunError::Ledger(error) => error.into(),
            RunError::Folder(error) => error.into(),
            RunError::Disk(failure) => Self::from(&failure),
            RunError::Strict { .. } => Self::new(Exit::Usage, error.to_string())
                .hint("fix the list, or run without --strict to process the valid lines"),
            RunError::Thread(_) => Self::new(Exit::Local, error.to_string())
                .hint("raise the limit on the number of processes (ulimit -u, pids.max)"),
            error => Self::new(Exit::Unexpected, error.to_string()),
        }
    }
}

impl From<AdoptError> for Trouble {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::List(error) => error.into(),
            AdoptError::Ledger(error) => error.into(),
            AdoptError::Folder(error) => error.into(),
            AdoptError::Done { .. } => Self::new(Exit::Local, error.to_string()),
            AdoptError::Changed { marked: true, .. } => Self::new(Exit::Local, error.to_string())
                .hint("piton get -i LIST --check asks the servers about all marked items"),
            AdoptError::Changed { .. } => Self::new(Exit::Local, error.to_string())
                .hint("run the same command again when no program writes to it"),
            AdoptError::Stopped => Self::new(Exit::Interrupted, error.to_string())
                .hint("run the same command again to continue"),
            error => Self::new(Exit::Unexpected, error.to_string()),
        }
    }
}

impl From<ReportError> for Trouble {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::List(error) => error.into(),
            ReportError::Ledger(error) => error.into(),
            error => Self::new(Exit::Unexpected, error.to_string()),
        }
    }
}
