//! The exit codes: stable, listed in docs/cli.md, and chosen here for every failure.

use std::process::ExitCode;

use piton::fetch::{Failure, FailureClass};

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

    /// The meaning of the code, for the table in docs/cli.md and the man page.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "all done",
            Self::Unexpected => "unexpected: a bug in piton itself",
            Self::Usage => "usage: error in the command line or the config file",
            Self::Local => {
                "local file: disk full, no permission, file already exists, file too long"
            }
            Self::Network => {
                "network: no answer or broken connections, more often than --retries allows"
            }
            Self::Tls => "TLS: untrusted certificate or failed handshake",
            Self::Login => "login refused (401, 403, 407)",
            Self::NoSuchFile => "the server has no such file (404, 410, other 4xx)",
            Self::Integrity => "integrity: not the expected file (digest, size or type)",
            Self::Locked => "locked by another process",
            Self::Changed => {
                "the source, or the command of a job, has changed, and starting over was not allowed"
            }
            Self::Server => "server error that persisted (5xx)",
            Self::Protocol => "the server violates the protocol",
            Self::Items => {
                "some items of a list or records of a job are not done, or some lines are invalid"
            }
            Self::OnDone => "list: all items are done, but --on-done commands failed",
            Self::Interrupted => "interrupted (SIGINT); everything is saved",
            Self::Terminated => "terminated (SIGTERM, SIGHUP); everything is saved",
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
        failure.meaning().class.into()
    }
}

impl From<FailureClass> for Exit {
    fn from(class: FailureClass) -> Self {
        use FailureClass as C;
        match class {
            C::Usage => Self::Usage,
            C::Exists | C::Name | C::Permission | C::NoRoom | C::Disk | C::State | C::TooLarge => {
                Self::Local
            }
            C::Timeout | C::Connect | C::Dns | C::Broken | C::Proxy => Self::Network,
            C::Tls => Self::Tls,
            C::Integrity | C::Size | C::NotTheFile => Self::Integrity,
            C::Locked => Self::Locked,
            C::Changed => Self::Changed,
            C::Protocol | C::Redirect | C::Address => Self::Protocol,
            C::Stopped => Self::Interrupted,
            C::Gone => Self::NoSuchFile,
            C::Status(401 | 403 | 407) => Self::Login,
            C::Status(400..=499) => Self::NoSuchFile,
            C::Status(500..=599) => Self::Server,
            C::Status(_) => Self::Protocol,
            _ => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use piton::durable::part::PartError;

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
    fn the_documentation_lists_each_class_with_its_code() {
        let page = include_str!("../../../docs/lists.md");
        for class in FailureClass::WORDS {
            let start = format!("| `{class}` |");
            let row = page.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("docs/lists.md lacks a row for {class}"));
            let code = format!("| {} |", Exit::from(class).code());
            assert!(row.ends_with(&code), "docs/lists.md: {class} ends with {}", code);
        }
    }

    #[test]
    fn statuses() {
        let exit = |code| Exit::from(FailureClass::Status(code));
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
