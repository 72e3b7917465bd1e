//! What each failure means: a table for a file, an item of a list, exit codes, and words.
//!
//! What the far end did is judged by [`Meaning::of_remote`] and [`Meaning::of_refusal`], a disk by
//! [`Meaning::of_disk`]; the rest here and nowhere else.

use piton_durable::part::PartError;
use piton_remote::{FailureClass, Fault, Meaning, Retry};

use super::Failure;
use crate::adopt::Unadoptable;
use crate::parse::aria2_control::ControlError;

fn of_part(error: &PartError) -> Meaning {
    let (retry, class) = match error {
        PartError::Io { source, .. } => return Meaning::of_disk(source),
        PartError::Locked { .. } => (Retry::Later, FailureClass::Locked),
        // By who put another file in its place, or writes to it; and a failure of a whole file system.
        PartError::Exchanged { .. } | PartError::Changing { .. } | PartError::GroupSync { .. } => {
            (Retry::Later, FailureClass::State)
        }
        PartError::Exists { .. } => (Retry::Never, FailureClass::Exists),
        PartError::NotAFile { .. } => (Retry::Never, FailureClass::Name),
        _ => (Retry::Never, FailureClass::State),
    };
    Meaning::new(retry, Fault::Local, class)
}

fn of_unadoptable(why: &Unadoptable) -> Meaning {
    let (fault, class) = match why {
        // It is a part of another file.
        Unadoptable::Differs { .. }
        | Unadoptable::Longer { .. }
        | Unadoptable::OtherSize { .. } => (Fault::Caller, FailureClass::Integrity),
        Unadoptable::NoRanges | Unadoptable::Encoded { .. } => {
            (Fault::Item, FailureClass::Protocol)
        }
        Unadoptable::Control(ControlError::Torrent) => (Fault::Caller, FailureClass::Usage),
        _ => (Fault::Caller, FailureClass::State),
    };
    Meaning::new(Retry::Never, fault, class)
}

impl Failure {
    /// What it means: may it be tried again, whose fault is it, of which class is it?
    pub fn meaning(&self) -> Meaning {
        let (retry, fault, class) = match self {
            Self::Refused { refusal, .. } => return Meaning::of_refusal(refusal),
            Self::Remote { source, .. } => return Meaning::of_remote(source),
            Self::Local(error) => return of_part(error),
            Self::Unadoptable { why, .. } => return of_unadoptable(why),
            Self::Stalled { .. } | Self::NoAnswer { .. } => {
                (Retry::Later, Fault::HostAway, FailureClass::Timeout)
            }
            Self::Usage(_) => (Retry::Never, Fault::Caller, FailureClass::Usage),
            Self::TooLarge { .. } => (Retry::Never, Fault::Item, FailureClass::TooLarge),
            Self::Stopped { .. } => (Retry::Later, Fault::Caller, FailureClass::Stopped),
            Self::Exists { .. } => (Retry::Never, Fault::Local, FailureClass::Exists),
            Self::WrongSize { .. } => (Retry::Never, Fault::Item, FailureClass::Size),
            Self::Protocol { .. } => (Retry::Never, Fault::Connection, FailureClass::Protocol),
            // The whole came, more than once, and was wrong: so the source is wrong.
            Self::Integrity { .. } => (Retry::Never, Fault::Item, FailureClass::Integrity),
            Self::NotTheFile { .. } => (Retry::Never, Fault::Item, FailureClass::NotTheFile),
            Self::Changed { .. } => (Retry::Later, Fault::Item, FailureClass::Changed),
        };
        Meaning::new(retry, fault, class)
    }
}
