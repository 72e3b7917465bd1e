//! What can go wrong with a whole list, as exit codes and sentences.

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
            LedgerError::Locked { .. } => "wait for the other process or stop it",
            LedgerError::Missing { .. } => {
                "piton get -i LIST begins a list; --state FILE says where its state is kept"
            }
            LedgerError::Foreign { .. } | LedgerError::NoSharedMemory { .. } => {
                "--state FILE keeps the state elsewhere"
            }
            LedgerError::StrayJournal { .. } => "move it away",
            LedgerError::NewerFormat { .. } => "use that version",
            LedgerError::NotOurs { why, .. } => why.remedy(),
            LedgerError::Full { .. } => {
                "make room and run the same command again: what is recorded is kept"
            }
            LedgerError::Sync { .. } => {
                "look after the disk, then run the same command again: what is recorded is kept"
            }
            LedgerError::Io { .. } => "--state FILE keeps the state where it can be written",
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
        Self::new(Exit::Local, error.to_string()).hint("-d DIR names the folder for the files")
    }
}

impl From<ListError> for Trouble {
    fn from(error: ListError) -> Self {
        let exit = match error {
            ListError::Read(_) => Exit::Local,
            _ => Exit::Usage,
        };
        let hint = match error {
            ListError::NoBase => "--base URL gives one",
            ListError::Root { .. } | ListError::Xml { .. } | ListError::NoUrlColumn { .. } => {
                "--list-format says how to read it, where name and content mislead"
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
                .hint("mend the list, or leave --strict out: then the rest goes on"),
            RunError::Thread(_) => Self::new(Exit::Local, error.to_string())
                .hint("raise the limit of processes (ulimit -u, pids.max)"),
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
                .hint("piton get -i LIST --check asks the servers about all that is marked"),
            AdoptError::Changed { .. } => Self::new(Exit::Local, error.to_string())
                .hint("run the same command again once nobody writes it"),
            AdoptError::Stopped => Self::new(Exit::Interrupted, error.to_string())
                .hint("the same command again goes on"),
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
