//! What each failure means: a table for a file, an item of a list, exit codes, and words.
//!
//! What the far end did is judged by [`Meaning::of_remote`] and [`Meaning::of_refusal`]; the rest here and nowhere
//! else.

use std::io;

use piton_durable::part::PartError;
use piton_remote::{FailureClass, Fault, Meaning, Retry};
use rustix::io::Errno;

use super::Failure;
use crate::adopt::Unadoptable;
use crate::parse::aria2_control::ControlError;

/// What an operation on the disk that failed means.
pub fn disk_meaning(error: &io::Error) -> Meaning {
    let kind = error.kind();
    // Descriptors, threads and memory come back when something else ends.
    let wanting = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];
    let is_wanting = Errno::from_io_error(error).is_some_and(|it| wanting.contains(&it));
    let retry = match kind {
        _ if is_wanting => Retry::Later,
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => Retry::WithRoom,
        _ => Retry::Never,
    };
    let class = match kind {
        io::ErrorKind::PermissionDenied => FailureClass::Permission,
        io::ErrorKind::InvalidFilename | io::ErrorKind::IsADirectory => FailureClass::Name,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureClass::NoRoom,
        // A limit of the process or of the file system, whatever room there is.
        io::ErrorKind::FileTooLarge => FailureClass::TooLarge,
        _ => FailureClass::Disk,
    };
    Meaning::new(retry, Fault::Local, class)
}

fn of_part(error: &PartError) -> Meaning {
    let (retry, class) = match error {
        PartError::Io { source, .. } => return disk_meaning(source),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk() {
        use io::ErrorKind as K;
        for (kind, retry, class) in [
            (K::StorageFull, Retry::WithRoom, FailureClass::NoRoom),
            (K::QuotaExceeded, Retry::WithRoom, FailureClass::NoRoom),
            (K::ReadOnlyFilesystem, Retry::WithRoom, FailureClass::Disk),
            (K::PermissionDenied, Retry::Never, FailureClass::Permission),
            (K::InvalidFilename, Retry::Never, FailureClass::Name),
            (K::FileTooLarge, Retry::Never, FailureClass::TooLarge),
        ] {
            let meaning = disk_meaning(&kind.into());
            assert_eq!((meaning.retry, meaning.class), (retry, class), "{kind:?}");
        }
        for wanting in [Errno::MFILE, Errno::AGAIN, Errno::NOMEM] {
            assert_eq!(disk_meaning(&wanting.into()).retry, Retry::Later, "{wanting}");
        }
    }
}
