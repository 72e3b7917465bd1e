//! What each failure means: one table for a file, an item of a list, exit codes, and words.
//!
//! Three questions are answered here and nowhere else: may it be tried again, whose fault is it, and which
//! class is it of.

use std::fmt;
use std::io;

use piton_durable::part::PartError;
use rustix::io::Errno;

use super::Failure;
use crate::adopt::Unadoptable;
use crate::parse::aria2_control::ControlError;
use crate::transport::TransportError;

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meaning {
    /// Whether the same again may succeed.
    pub retry: Retry,
    /// Whose fault it is.
    pub fault: Fault,
    /// Of which kind it is.
    pub class: FailureClass,
}

/// Whether the same call may succeed later, without anything being changed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// No number of tries helps.
    Never,
    /// It may, after a pause.
    Later,
    /// It may when there is room on the disk: when something else ends, or somebody makes some.
    WithRoom,
}

/// Whose fault a failure is. Only that of an item is charged to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The caller asked for something that cannot be, or asked to stop.
    Caller,
    /// This machine: disk, permissions, another process.
    Local,
    /// One connection, or what lies between.
    Connection,
    /// The host cannot be reached, or is silent: others of its files fare the same.
    HostAway,
    /// The host has too much to do, or takes no more from us.
    HostBusy,
    /// The file, as the server has it: the host serves.
    Item,
}

/// The kind of a failure, as a word that does not change: in reports, for choosing what to try again, and for
/// exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureClass {
    /// The server answered with this status, which says no.
    Status(u16),
    /// No connection, or nothing came, for too long.
    Timeout,
    /// Refused or unreachable.
    Connect,
    /// The name of the host is not known.
    Dns,
    /// The connection broke.
    Broken,
    /// TLS: a certificate or a handshake that cannot be trusted, or a redirect that would leave it.
    Tls,
    /// The proxy leads nowhere.
    Proxy,
    /// Redirects that lead nowhere.
    Redirect,
    /// An answer that breaks the protocol.
    Protocol,
    /// A URL that cannot be asked for, or must not.
    Address,
    /// What came is not what it should be.
    Integrity,
    /// The answer is not the file, such as a page that asks to sign in.
    NotTheFile,
    /// The server has another length.
    Size,
    /// It changed on the server.
    Changed,
    /// There is a file already.
    Exists,
    /// A name that cannot be used here.
    Name,
    /// Not allowed here.
    Permission,
    /// No room on the disk.
    NoRoom,
    /// The disk, for another reason.
    Disk,
    /// State of an earlier run that cannot be used.
    State,
    /// Another process has it.
    Locked,
    /// Longer than allowed.
    TooLarge,
    /// The call cannot be carried out as it stands.
    Usage,
    /// Stopped by the caller.
    Stopped,
}

impl FailureClass {
    /// Every class but the statuses.
    pub const WORDS: [Self; 23] = [
        Self::Timeout,
        Self::Connect,
        Self::Dns,
        Self::Broken,
        Self::Tls,
        Self::Proxy,
        Self::Redirect,
        Self::Protocol,
        Self::Address,
        Self::Integrity,
        Self::NotTheFile,
        Self::Size,
        Self::Changed,
        Self::Exists,
        Self::Name,
        Self::Permission,
        Self::NoRoom,
        Self::Disk,
        Self::State,
        Self::Locked,
        Self::TooLarge,
        Self::Usage,
        Self::Stopped,
    ];
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "{status}"),
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Broken => "broken",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Redirect => "redirect",
            Self::Protocol => "protocol",
            Self::Address => "address",
            Self::Integrity => "integrity",
            Self::NotTheFile => "not-the-file",
            Self::Size => "size",
            Self::Changed => "changed",
            Self::Exists => "exists",
            Self::Name => "name",
            Self::Permission => "permission",
            Self::NoRoom => "no-room",
            Self::Disk => "disk",
            Self::State => "state",
            Self::Locked => "locked",
            Self::TooLarge => "too-large",
            Self::Usage => "usage",
            Self::Stopped => "stopped",
        })
    }
}

impl Meaning {
    const fn new(retry: Retry, fault: Fault, class: FailureClass) -> Self {
        Self { retry, fault, class }
    }

    /// Of an answer with this status, which says no.
    pub fn of_status(status: u16) -> Self {
        let retry = match status {
            // 202: it is being made.
            202 | 408 | 425 | 429 => Retry::Later,
            // Not implemented, no such HTTP version, and faults in how the server is set up.
            501 | 505 | 506 | 508 | 510 => Retry::Never,
            500..=599 => Retry::Later,
            _ => Retry::Never,
        };
        let fault = match status {
            429 | 503 | 509 => Fault::HostBusy,
            _ => Fault::Item,
        };
        Self::new(retry, fault, FailureClass::Status(status))
    }

    /// Of an exchange that failed.
    pub fn of_transport(error: &TransportError) -> Self {
        use FailureClass::{Address, Broken, Connect, Dns, Proxy, Redirect, Timeout, Tls};
        use Fault::{Caller, Connection, HostAway};
        use Retry::{Later, Never};
        use TransportError as E;
        let (retry, fault, class) = match error {
            E::Resolve { .. } if error.is_no_such_name() => (Never, Connection, Dns),
            E::Resolve { .. } => (Later, HostAway, Dns),
            E::Refused { .. } | E::Connect { .. } => (Later, HostAway, Connect),
            E::ConnectTimeout { .. } => (Later, HostAway, Timeout),
            E::TooSlow { .. } => (Later, Connection, Timeout),
            E::Proxy { status: Some(status @ 407), .. } => {
                (Never, Caller, FailureClass::Status(*status))
            }
            E::Proxy { status: Some(status), .. } if !matches!(status, 408 | 429 | 500..) => {
                (Never, Connection, Proxy)
            }
            E::Proxy { .. } => (Later, HostAway, Proxy),
            E::Reset { .. } => (Later, HostAway, Broken),
            E::Io { .. } | E::Truncated { .. } => (Later, Connection, Broken),
            E::Tls { .. } | E::DowngradeRefused { .. } => (Never, Connection, Tls),
            E::Protocol { .. } => (Never, Connection, FailureClass::Protocol),
            E::TooManyRedirects { .. } | E::BadRedirect { .. } => (Never, Connection, Redirect),
            E::UnsupportedScheme { .. } | E::BadUrl { .. } | E::NotPublic { .. } => {
                (Never, Connection, Address)
            }
        };
        Self::new(retry, fault, class)
    }

    /// Of an operation on the disk that failed.
    pub fn of_disk(error: &io::Error) -> Self {
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
        Self::new(retry, Fault::Local, class)
    }

    fn of_part(error: &PartError) -> Self {
        let (retry, class) = match error {
            PartError::Io { source, .. } => return Self::of_disk(source),
            PartError::Locked { .. } => (Retry::Later, FailureClass::Locked),
            // By who put another file in its place, or writes to it; and a failure of a whole file system.
            PartError::Exchanged { .. }
            | PartError::Changing { .. }
            | PartError::GroupSync { .. } => (Retry::Later, FailureClass::State),
            PartError::Exists { .. } => (Retry::Never, FailureClass::Exists),
            PartError::NotAFile { .. } => (Retry::Never, FailureClass::Name),
            _ => (Retry::Never, FailureClass::State),
        };
        Self::new(retry, Fault::Local, class)
    }

    fn of_unadoptable(why: &Unadoptable) -> Self {
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
        Self::new(Retry::Never, fault, class)
    }
}

impl Failure {
    /// What it means: may it be tried again, whose fault is it, of which class is it?
    pub fn meaning(&self) -> Meaning {
        let (retry, fault, class) = match self {
            Self::Status { status, .. } => return Meaning::of_status(status.as_u16()),
            Self::Transport { source, .. } => return Meaning::of_transport(source),
            Self::Local(error) => return Meaning::of_part(error),
            Self::Unadoptable { why, .. } => return Meaning::of_unadoptable(why),
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
    fn every_status_means_one_thing() {
        for status in 100..=999 {
            let meaning = Meaning::of_status(status);
            let later = matches!(status, 202 | 408 | 425 | 429)
                || ((500..600).contains(&status) && !matches!(status, 501 | 505 | 506 | 508 | 510));
            assert_eq!(meaning.retry == Retry::Later, later, "{status}");
            assert_eq!(meaning.class, FailureClass::Status(status));
            assert_eq!(meaning.class.to_string(), status.to_string());
        }
    }

    #[test]
    fn each_class_has_its_own_word() {
        let words: std::collections::BTreeSet<_> =
            FailureClass::WORDS.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), FailureClass::WORDS.len());
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

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
            let meaning = Meaning::of_disk(&kind.into());
            assert_eq!((meaning.retry, meaning.class), (retry, class), "{kind:?}");
        }
        for wanting in [Errno::MFILE, Errno::AGAIN, Errno::NOMEM] {
            assert_eq!(Meaning::of_disk(&wanting.into()).retry, Retry::Later, "{wanting}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_permanent_and_a_silent_resolver_is_not() {
        let failed = |text: &str| {
            let source = io::Error::other(text.to_owned());
            Meaning::of_transport(&TransportError::Resolve { host: "a.test:80".into(), source })
        };
        let gone = failed("failed to lookup address information: Name or service not known");
        let away = failed("failed to lookup address information: Temporary failure");
        assert_eq!((gone.retry, away.retry), (Retry::Never, Retry::Later));
        assert_eq!((gone.class, away.class), (FailureClass::Dns, FailureClass::Dns));
    }
}
