//! What a failure means: one table for a file, an item of a list, exit codes, and words.
//!
//! Three questions: may it be tried again, whose fault is it, and which class is it of. What the far end did, and
//! a disk, is judged here and nowhere else; what else this machine does where it is done, in the same words.

use std::{fmt, io};

use piton_durable::room::is_full;
use rustix::io::Errno;

use crate::error::RemoteError;
use crate::refusal::{Refusal, RefusalKind};

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
    /// The source has no such resource, and has no number to say so.
    Gone,
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
    pub const WORDS: [Self; 24] = [
        Self::Timeout,
        Self::Connect,
        Self::Dns,
        Self::Broken,
        Self::Gone,
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
            Self::Gone => "gone",
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
    /// From the three answers.
    pub const fn new(retry: Retry, fault: Fault, class: FailureClass) -> Self {
        Self { retry, fault, class }
    }

    /// Of an answer that says no.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        use RefusalKind as K;
        let (retry, fault) = match refusal.kind {
            K::Transient | K::NotReady => (Retry::Later, Fault::Item),
            K::Busy | K::TooMany => (Retry::Later, Fault::HostBusy),
            K::Denied | K::Unauthorized | K::Gone | K::BadQuestion | K::Permanent => {
                (Retry::Never, Fault::Item)
            }
            K::Broken => (Retry::Never, Fault::Connection),
        };
        let class = match (refusal.kind, refusal.code) {
            (K::Broken, _) => FailureClass::Protocol,
            (_, Some(code)) => FailureClass::Status(code),
            (K::Denied | K::Unauthorized | K::Permanent, None) => FailureClass::Permission,
            (K::Transient | K::NotReady | K::Busy | K::TooMany, None) => FailureClass::Broken,
            (K::Gone | K::BadQuestion, None) => FailureClass::Gone,
        };
        Self::new(retry, fault, class)
    }

    /// Of an exchange that failed.
    pub fn of_remote(error: &RemoteError) -> Self {
        use FailureClass::{Address, Broken, Connect, Dns, Proxy, Redirect, Timeout, Tls};
        use Fault::{Caller, Connection, HostAway, Item};
        use RemoteError as E;
        use Retry::{Later, Never};
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
            // Bytes that belong to no answer: over a fresh connection there may be one, or this is no such server.
            E::Protocol { .. } => (Later, HostAway, FailureClass::Protocol),
            E::TooManyRedirects { .. } | E::BadRedirect { .. } => (Never, Connection, Redirect),
            E::SourceChanged { .. } => (Later, Item, FailureClass::Changed),
            E::Source { source, .. } => {
                let Self { retry, class, .. } = Self::of_disk(source);
                (retry, Item, class)
            }
            E::UnsupportedScheme { .. }
            | E::BadUrl { .. }
            | E::NotPublic { .. }
            | E::FilesNotAllowed => (Never, Connection, Address),
        };
        Self::new(retry, fault, class)
    }

    /// Of an operation on a disk of this machine.
    pub fn of_disk(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        let kind = error.kind();
        // Descriptors, threads and memory come back when something else ends.
        let wanting = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];
        let is_wanting = Errno::from_io_error(error).is_some_and(|it| wanting.contains(&it));
        let retry = match kind {
            _ if is_wanting => Retry::Later,
            _ if is_full(error) => Retry::WithRoom,
            K::ReadOnlyFilesystem => Retry::WithRoom,
            // The server of a network file system.
            K::TimedOut
            | K::StaleNetworkFileHandle
            | K::HostUnreachable
            | K::NetworkUnreachable => Retry::Later,
            _ => Retry::Never,
        };
        let class = match kind {
            K::PermissionDenied => FailureClass::Permission,
            K::InvalidFilename | K::IsADirectory => FailureClass::Name,
            _ if is_full(error) => FailureClass::NoRoom,
            // A limit of the process or of the file system, whatever room there is.
            K::FileTooLarge => FailureClass::TooLarge,
            _ => FailureClass::Disk,
        };
        Self::new(retry, Fault::Local, class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_word() {
        let words: std::collections::BTreeSet<_> =
            FailureClass::WORDS.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), FailureClass::WORDS.len());
        assert!(words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

    #[test]
    fn a_name_that_does_not_exist_is_permanent_and_a_silent_resolver_is_not() {
        let failed = |text: &str| {
            let source = io::Error::other(text.to_owned());
            Meaning::of_remote(&RemoteError::Resolve { host: "a.test:80".into(), source })
        };
        let gone = failed("failed to lookup address information: Name or service not known");
        let away = failed("failed to lookup address information: Temporary failure");
        assert_eq!((gone.retry, away.retry), (Retry::Never, Retry::Later));
        assert_eq!((gone.class, away.class), (FailureClass::Dns, FailureClass::Dns));
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
            (K::StaleNetworkFileHandle, Retry::Later, FailureClass::Disk),
        ] {
            let meaning = Meaning::of_disk(&kind.into());
            assert_eq!((meaning.retry, meaning.class), (retry, class), "{kind:?}");
        }
        for (errno, retry) in [
            (Errno::MFILE, Retry::Later),
            (Errno::AGAIN, Retry::Later),
            (Errno::NOMEM, Retry::Later),
            (Errno::IO, Retry::Never),
            (Errno::LOOP, Retry::Never),
        ] {
            assert_eq!(Meaning::of_disk(&errno.into()).retry, retry, "{errno}");
            let path = "f".into();
            let source = Meaning::of_remote(&RemoteError::Source { path, source: errno.into() });
            assert_eq!((source.retry, source.fault), (retry, Fault::Item), "{errno}");
        }
    }
}
