//! Failures of jobs, as exit codes and messages.

use piton::checkpoint::store::StoreError;
use piton::durable::held::HeldError;
use piton::records::command::RunError;
use piton::records::{Error, SourceChange};

use crate::exit::Exit;
use crate::redact;
use crate::trouble::Trouble;

pub(super) fn of_job(error: Error) -> Trouble {
    let exit = match &error {
        Error::Store(error) => of_store(error),
        Error::Spec(_) => Exit::Usage,
        Error::Output(HeldError::Locked { .. }) => Exit::Locked,
        Error::SourceChanged { .. } | Error::JobDiffers { .. } => Exit::Changed,
        Error::PieceFailed { .. }
        | Error::TooManyFailures { .. }
        | Error::RecordTooLong { .. }
        | Error::UnclosedQuote { .. }
        | Error::HeaderDiffers { .. } => Exit::Items,
        Error::IsTheSource { .. } => Exit::Usage,
        Error::StartBeyondEnd { .. }
        | Error::StartWithinRecord { .. }
        | Error::StartOutOfOrder { .. }
        | Error::StartedBefore => Exit::Usage,
        Error::SourceCut { .. } | Error::SourceDamaged { .. } => Exit::Integrity,
        Error::Command(error) => return of_command_ref(error),
        Error::Order(_) | Error::NotCurrent { .. } | Error::Position(_) | Error::NotExhausted => {
            Exit::Unexpected
        }
        _ => Exit::Local,
    };
    let trouble = Trouble::new(exit, redact::text(&error.to_string()));
    match hint(&error) {
        Some(hint) => trouble.hint(hint),
        None => trouble,
    }
}

pub(super) fn of_command(error: RunError) -> Trouble {
    of_command_ref(&error)
}

fn of_command_ref(error: &RunError) -> Trouble {
    let trouble = Trouble::new(Exit::Local, error.to_string());
    match error {
        RunError::NotFound { .. } => trouble.hint("check its name and PATH"),
        RunError::NotExecutable { .. } => trouble.hint("chmod +x makes a script executable"),
        RunError::Spill { .. } => {
            trouble.hint("free some space and run the same command again: all results are kept")
        }
        _ => trouble,
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Locked { .. } | StoreError::Fenced { .. } | StoreError::Busy { .. } => {
            Exit::Locked
        }
        StoreError::Unreachable { .. } => Exit::Network,
        StoreError::Refused { .. } | StoreError::NotTaken { .. } => Exit::Unexpected,
        _ => Exit::Local,
    }
}

fn hint_of_store(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::Locked { .. } | StoreError::Busy { .. } => {
            "wait for the other process, or stop it"
        }
        StoreError::Fenced { .. } => "the other run continues the job; this one has stopped",
        StoreError::Damaged { .. } => "--restart moves it aside and starts over",
        StoreError::Lost { .. } => {
            "restore it from a backup, or start over with --restart; the output was left alone"
        }
        StoreError::Foreign { .. } => "name another database with --state sqlite:PATH?job=NAME",
        StoreError::Full { .. } => {
            "free some space and run the same command again: everything committed is kept"
        }
        StoreError::ReadOnly { .. } | StoreError::File(_) => {
            "--state file:PATH saves the position in a place that you can write to"
        }
        StoreError::Unreachable { .. } => {
            "check that the server runs, then run the same command again: everything committed is kept"
        }
        StoreError::Rejected { .. } => "check the login and the rights on the server",
        StoreError::Newer { .. } => "use that version, or start over with --restart",
        _ => return None,
    })
}

fn hint(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Store(error) => return hint_of_store(error),
        Error::State { .. } => "--restart moves it aside and starts over",
        Error::JobDiffers { what: "the work", .. } => {
            "--accept-command continues with the new command, --restart starts over"
        }
        Error::JobDiffers { what: "dead letters", .. } => {
            "name the same file again with --dead-letter"
        }
        Error::JobDiffers { .. } => "use the same options again, or start over with --restart",
        Error::SourceChanged { change: SourceChange::Grew { .. }, .. } => {
            "--accept-append also processes what was appended"
        }
        Error::SourceChanged { change: SourceChange::LastRecordGrew { .. }, .. } => {
            "--restart starts over; the last record was processed before it was complete"
        }
        Error::SourceChanged {
            change: SourceChange::Ahead { .. } | SourceChange::EndsBefore { .. },
            ..
        } => "bring the old file back, or start over with --restart",
        Error::SourceChanged { .. } => {
            "--rebase continues at the saved position in the new file, --restart starts over"
        }
        Error::StartBeyondEnd { .. } | Error::StartWithinRecord { .. } => {
            "check that --adopt and --as say what the other program means, and that this is its file"
        }
        Error::StartOutOfOrder { .. } => "--unordered writes results as they are finished",
        Error::StartedBefore => {
            "leave --adopt out to continue; with --restart too, the job starts where --adopt says"
        }
        Error::SourceCut { .. } => "get the whole file, then start over with --restart",
        Error::SourceDamaged { .. } => "get the file again, then start over with --restart",
        Error::WindowTooLarge { .. } => "--max-window SIZE allows it",
        Error::IsTheSource { .. } => "choose another file for the results",
        Error::HeaderDiffers { .. } => {
            "--header is for a CMD that writes a header each time; start over without it with --restart"
        }
        Error::OutputExists { .. } => "remove it, or choose another file with -o FILE",
        Error::OutputWithoutPosition { .. } => {
            "bring the state back, or start over with --restart, which moves it aside"
        }
        Error::OutputForeign { .. } => {
            "-o FILE or --append FILE keeps the results apart from what others write"
        }
        Error::OutputMissing { .. } => "bring it back, or start over with --restart",
        Error::OutputShorter { .. } => {
            "if the shell emptied it with >, use -o FILE or >>; --restart starts over"
        }
        Error::OutputChanged { .. } => "bring it back, or start over with --restart",
        Error::PieceFailed { .. } => {
            "fix the cause and run the same command again, or continue with --dead-letter FILE"
        }
        Error::TooManyFailures { .. } => "--max-failures raises the limit",
        Error::RecordTooLong { .. } => {
            "--max-record SIZE raises the limit; --dead-letter FILE continues without it"
        }
        Error::UnclosedQuote { .. } => "fix the file, or read it without --csv",
        Error::Thread(_) => "raise the limit on the number of processes (ulimit -u, pids.max)",
        Error::SpoolDamaged { .. } => "run the same command again: that chunk runs once more",
        _ => return None,
    })
}
