//! The exit codes: stable, listed in docs/cli.md, and decided here for every failure.

use std::process::ExitCode;

use piton::durable::part::PartError;
use piton::fetch::parse::aria2_control::ControlError;
use piton::fetch::transport::TransportError;
use piton::fetch::{Failure, Unadoptable};

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    Local = 3,
    Network = 4,
    Tls = 5,
    Login = 6,
    NoSuchFile = 7,
    Integrity = 8,
    Locked = 9,
    Changed = 10,
    Server = 11,
    Protocol = 12,
    Items = 13,
    OnDone = 14,
    Interrupted = 130,
    Terminated = 143,
}

impl Exit {
    pub(crate) const ALL: [Self; 17] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::Local,
        Self::Network,
        Self::Tls,
        Self::Login,
        Self::NoSuchFile,
        Self::Integrity,
        Self::Locked,
        Self::Changed,
        Self::Server,
        Self::Protocol,
        Self::Items,
        Self::OnDone,
        Self::Interrupted,
        Self::Terminated,
    ];

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// What the code says, for the table in docs/cli.md and the man page.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "all done",
            Self::Unexpected => "unexpected: a fault of piton itself",
            Self::Usage => "usage: the command line or the config file",
            Self::Local => "local file: disk full, permission, already exists, longer than allowed",
            Self::Network => {
                "network: no answer, or connections that break, for longer than the retries"
            }
            Self::Tls => "TLS: a certificate or handshake that cannot be trusted",
            Self::Login => "login refused (401, 403, 407)",
            Self::NoSuchFile => "the server has no such file (404, 410, other 4xx)",
            Self::Integrity => "integrity: what came is not what it should be",
            Self::Locked => "locked by another process",
            Self::Changed => "the source changed and starting over was not allowed",
            Self::Server => "server failure that stayed (5xx)",
            Self::Protocol => "the server breaks the protocol",
            Self::Items => "of a list, some items are not done or some lines are wrong",
            Self::OnDone => "of a list, all items are done, but commands of --on-done failed",
            Self::Interrupted => "interrupted (SIGINT), everything saved",
            Self::Terminated => "terminated (SIGTERM, SIGHUP), everything saved",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&Failure> for Exit {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Usage(_) => Self::Usage,
            Failure::Exists { .. } | Failure::TooLarge { .. } => Self::Local,
            Failure::Local(error) => error.into(),
            Failure::Transport { source, .. } => source.into(),
            Failure::Stalled { .. } => Self::Network,
            Failure::Status { status, .. } => status_exit(*status),
            Failure::Protocol { .. } => Self::Protocol,
            Failure::Integrity { .. } | Failure::WrongSize { .. } => Self::Integrity,
            Failure::Changed { .. } => Self::Changed,
            Failure::Unadoptable { why, .. } => why.as_ref().into(),
            Failure::Stopped { .. } => Self::Interrupted,
            _ => Self::Unexpected,
        }
    }
}

impl From<&Unadoptable> for Exit {
    fn from(why: &Unadoptable) -> Self {
        match why {
            // It is a part of another file.
            Unadoptable::Differs { .. }
            | Unadoptable::Longer { .. }
            | Unadoptable::OtherSize { .. } => Self::Integrity,
            Unadoptable::NoRanges | Unadoptable::Encoded { .. } => Self::Protocol,
            Unadoptable::Control(ControlError::Torrent) => Self::Usage,
            _ => Self::Local,
        }
    }
}

impl From<&PartError> for Exit {
    fn from(error: &PartError) -> Self {
        match error {
            PartError::Locked { .. } => Self::Locked,
            _ => Self::Local,
        }
    }
}

impl From<&TransportError> for Exit {
    fn from(error: &TransportError) -> Self {
        match error {
            // A redirect that would leave TLS is refused for what TLS gives.
            TransportError::Tls { .. } | TransportError::DowngradeRefused { .. } => Self::Tls,
            TransportError::Proxy { status: Some(407), .. } => Self::Login,
            TransportError::Protocol { .. }
            | TransportError::TooManyRedirects { .. }
            | TransportError::BadRedirect { .. }
            | TransportError::UnsupportedScheme { .. }
            | TransportError::NotPublic { .. }
            | TransportError::BadUrl { .. } => Self::Protocol,
            _ => Self::Network,
        }
    }
}

fn status_exit(status: http::StatusCode) -> Exit {
    match status.as_u16() {
        401 | 403 | 407 => Exit::Login,
        400..=499 => Exit::NoSuchFile,
        500..=599 => Exit::Server,
        _ => Exit::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_the_same_codes() {
        let page = include_str!("../../../docs/cli.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(page.contains(&row), "docs/cli.md lacks the row: {row}");
        }
    }

    #[test]
    fn statuses() {
        let exit = |code| status_exit(http::StatusCode::from_u16(code).unwrap());
        assert_eq!([401, 403, 407].map(exit), [Exit::Login; 3]);
        assert_eq!([400, 404, 410, 429, 451].map(exit), [Exit::NoSuchFile; 5]);
        assert_eq!([500, 503, 599].map(exit), [Exit::Server; 3]);
        assert_eq!([204, 304, 600].map(exit), [Exit::Protocol; 3]);
    }

    #[test]
    fn failures() {
        let path = std::path::PathBuf::from("a");
        let io = |kind: std::io::ErrorKind| PartError::Io {
            what: "write",
            path: "a".into(),
            source: kind.into(),
        };
        for (failure, exit) in [
            (Failure::Usage(String::new()), Exit::Usage),
            (Failure::Exists { path: path.clone() }, Exit::Local),
            (Failure::TooLarge { limit: 1 }, Exit::Local),
            (Failure::Local(io(std::io::ErrorKind::StorageFull)), Exit::Local),
            (Failure::Local(PartError::Exchanged { path: path.clone() }), Exit::Local),
            (Failure::Local(PartError::NotAFile { path: path.clone() }), Exit::Local),
            (Failure::Local(PartError::Locked { path, holder: None }), Exit::Locked),
            (Failure::Protocol { host: String::new(), why: String::new() }, Exit::Protocol),
            (Failure::WrongSize { host: String::new(), is: 1, wanted: 2..=2 }, Exit::Integrity),
            (Failure::Stopped { have: 0, path: None }, Exit::Interrupted),
        ] {
            assert_eq!(Exit::from(&failure), exit, "{failure}");
        }
    }
}
