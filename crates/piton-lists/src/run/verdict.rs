//! What a failure means: for the item, for its host, for the run.

use piton_checkpoint::ledger::{ErrorClass, State};
use piton_fetch::{Failure, Fault, Meaning, Retry};
use piton_remote::RefusalKind;

use crate::flow::Heard;
use crate::name::FolderError;

/// The consequence of a failed try for the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Retrying does not help.
    Fatal,
    /// It may succeed later.
    Transient,
    /// It was stopped; that says nothing about it.
    Stopped,
    /// The disk refused it. It may succeed when others have ended or the user has freed space; if the disk
    /// refuses everything else, too, the run ends.
    NoRoom,
}

impl Verdict {
    pub(super) fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Stopped { .. } => Self::Stopped,
            failure => Self::of_retry(failure.meaning().retry),
        }
    }

    pub(super) fn of_folder(error: &FolderError) -> Self {
        match error {
            FolderError::Io { source, .. } => Self::of_retry(Meaning::of_disk(source).retry),
            _ => Self::Fatal,
        }
    }

    fn of_retry(retry: Retry) -> Self {
        match retry {
            Retry::Later => Self::Transient,
            Retry::WithRoom => Self::NoRoom,
            _ => Self::Fatal,
        }
    }

    /// The state to record once no more tries are left.
    pub(super) fn state(&self) -> State {
        if *self == Self::Fatal { State::Fatal } else { State::Transient }
    }
}

/// What a failure says about the host, if `fetched` bytes were received before it.
pub(super) fn heard(failure: &Failure, fetched: u64) -> Heard {
    match failure.meaning().fault {
        Fault::HostBusy => Heard::Busy(failure.retry_after()),
        Fault::Item => Heard::Served,
        Fault::HostAway | Fault::Connection if fetched > 0 => Heard::Served,
        Fault::HostAway => Heard::Away,
        _ => Heard::Nothing,
    }
}

/// Whether the failure may be about how many files are requested at a time: some hosts answer 403 for that.
pub(super) fn may_be_crowding(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { refusal, .. } if refusal.kind == RefusalKind::Denied)
}

/// The class of a failure: what `piton retry --class` accepts. Statuses are their number.
pub(super) fn class_of(failure: &Failure) -> Option<ErrorClass> {
    failure.meaning().class.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use http::StatusCode;
    use piton_durable::part::PartError;
    use piton_remote::RemoteError;
    use rustix::io::Errno;

    use super::*;

    fn status(code: u16, retry_after: Option<Duration>) -> Failure {
        let status = StatusCode::from_u16(code).unwrap();
        let refusal = Box::new(piton_remote::http::refusal("a:80", status, retry_after));
        Failure::Refused { refusal, tries: 1 }
    }

    fn transport(source: RemoteError) -> Failure {
        Failure::Remote { source, tries: 1 }
    }

    fn disk(kind: io::ErrorKind) -> Failure {
        PartError::Io { what: "write", path: "x".into(), source: kind.into() }.into()
    }

    #[test]
    fn statuses() {
        let minute = Some(Duration::from_secs(60));
        for (code, verdict, host) in [
            (404, Verdict::Fatal, Heard::Served),
            (403, Verdict::Fatal, Heard::Served),
            (500, Verdict::Transient, Heard::Served),
            (429, Verdict::Transient, Heard::Busy(minute)),
            (503, Verdict::Transient, Heard::Busy(minute)),
        ] {
            let failure = status(code, minute);
            assert_eq!((Verdict::of(&failure), heard(&failure, 0)), (verdict, host), "{code}");
            assert_eq!(class_of(&failure).unwrap().as_str(), code.to_string());
        }
        assert_eq!(heard(&status(503, None), 0), Heard::Busy(None));
    }

    #[test]
    fn connections() {
        let host = || "a:80".to_owned();
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let refused =
            transport(RemoteError::Refused { host: host(), addr: ([127, 0, 0, 1], 1).into() });
        assert_eq!(Verdict::of(&refused), Verdict::Transient);
        assert_eq!(heard(&refused, 0), Heard::Away);
        assert_eq!(heard(&refused, 1), Heard::Served, "it had given something");
        let broken = transport(RemoteError::Io { host: host(), source: reset() });
        assert_eq!(heard(&broken, 0), Heard::Nothing);
        let why = io::Error::other("Name or service not known");
        let unknown = transport(RemoteError::Resolve { host: host(), source: why });
        assert_eq!(Verdict::of(&unknown), Verdict::Fatal);
        assert_eq!(heard(&unknown, 0), Heard::Nothing);
        assert_eq!(class_of(&unknown).unwrap().as_str(), "dns");
        let silent = Failure::Stalled { host: host(), after: Duration::from_secs(30), tries: 1 };
        assert_eq!((heard(&silent, 0), heard(&silent, 1)), (Heard::Away, Heard::Served));
    }

    #[test]
    fn a_disk_without_room_may_have_some_later_and_a_name_that_it_does_not_take_is_fatal() {
        assert_eq!(Verdict::of(&disk(io::ErrorKind::StorageFull)), Verdict::NoRoom);
        assert_eq!(Verdict::of(&disk(io::ErrorKind::ReadOnlyFilesystem)), Verdict::NoRoom);
        assert_eq!(Verdict::of(&disk(io::ErrorKind::PermissionDenied)), Verdict::Fatal);
        // No descriptor, and no thread.
        for wanting in [Errno::MFILE, Errno::AGAIN] {
            let many = PartError::Io { what: "open", path: "x".into(), source: wanting.into() };
            assert_eq!(Verdict::of(&many.into()), Verdict::Transient, "others end");
        }
        let locked = PartError::Locked { path: "x".into(), holder: None }.into();
        assert_eq!(Verdict::of(&locked), Verdict::Transient);
        assert_eq!(Verdict::of(&Failure::Stopped { have: 0, path: None }), Verdict::Stopped);
    }
}
