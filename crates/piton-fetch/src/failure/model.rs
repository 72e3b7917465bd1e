//! A model of [`Failure::meaning`]: what each failure must mean, written down apart from the code, and compared
//! with it and with the table of docs/lists.md. A list decides by the same meaning (`piton-lists`, `run/verdict.rs`),
//! the exit codes by the class (`piton-cli`, `exit.rs`, which compares them with the same table).

use std::io::{self, ErrorKind};
use std::time::Duration;

use piton_checkpoint::Change;
use piton_durable::part::PartError;
use piton_remote::{FailureClass, Refusal, RefusalKind, RemoteError, TlsFault};
use url::Url;

use super::{Failure, Fault, NotTheFile, Retry};
use crate::adopt::Unadoptable;
use crate::digest::{Algorithm, Hasher};
use crate::parse::aria2_control::ControlError;

use Fault::{Caller, Connection, HostAway, HostBusy, Item, Local};
use Retry::{Later, Never, WithRoom};

type Row = (Failure, Retry, Fault, &'static str);

/// Rows whose failure is of a kind that no row has are missing: this does not compile then.
fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Usage(_) => "usage",
        Failure::Exists { .. } => "exists",
        Failure::Local(_) => "local",
        Failure::Remote { .. } => "remote",
        Failure::Stalled { .. } => "stalled",
        Failure::NoAnswer { .. } => "no answer",
        Failure::Refused { .. } => "refused",
        Failure::WrongSize { .. } => "wrong size",
        Failure::Protocol { .. } => "protocol",
        Failure::Integrity { .. } => "integrity",
        Failure::Changed { .. } => "changed",
        Failure::NotTheFile { .. } => "not the file",
        Failure::TooLarge { .. } => "too large",
        Failure::Unadoptable { .. } => "unadoptable",
        Failure::Stopped { .. } => "stopped",
    }
}
const KINDS: usize = 15;

fn of_a_file() -> Vec<Row> {
    let (host, path) = (|| "a.test".to_owned(), || "f".into());
    let digest = || Hasher::new(Algorithm::Sha256).finalize();
    let why = NotTheFile::Replaces;
    let after = Duration::from_secs(1);
    let integrity = Failure::Integrity {
        path: path(),
        expected: digest(),
        got: digest(),
        source_of: String::new(),
        pieces: Box::default(),
    };
    vec![
        (Failure::Usage(String::new()), Never, Caller, "usage"),
        (Failure::Exists { path: path() }, Never, Local, "exists"),
        (Failure::Stalled { host: host(), after, tries: 1 }, Later, HostAway, "timeout"),
        (Failure::NoAnswer { host: host(), after, tries: 1 }, Later, HostAway, "timeout"),
        (Failure::WrongSize { host: host(), is: 1, wanted: 2..=2 }, Never, Item, "size"),
        (Failure::Protocol { host: host(), why: host() }, Never, Connection, "protocol"),
        (integrity, Never, Item, "integrity"),
        (Failure::Changed { change: Change::Tag, restarts: 3 }, Later, Item, "changed"),
        (
            Failure::NotTheFile { url: "".into(), media_type: "".into(), why },
            Never,
            Item,
            "not-the-file",
        ),
        (Failure::TooLarge { limit: 1 }, Never, Item, "too-large"),
        (Failure::Stopped { have: 0, path: None }, Later, Caller, "stopped"),
    ]
}

fn of_this_machine() -> Vec<Row> {
    let path = || "f".into();
    let io = |kind: ErrorKind| PartError::Io { what: "write", path: path(), source: kind.into() };
    let source = io::Error::other("why");
    [
        (PartError::Locked { path: path(), holder: None }, Later, "locked"),
        (PartError::Exists { path: path() }, Never, "exists"),
        (PartError::Exchanged { path: path() }, Later, "state"),
        (PartError::NotAFile { path: path() }, Never, "name"),
        (PartError::NewerFormat { path: path(), found: 9 }, Never, "state"),
        (PartError::Unreadable { path: path() }, Never, "state"),
        (PartError::Begun { path: path() }, Never, "state"),
        (PartError::Changing { path: path() }, Later, "state"),
        (PartError::NotBegun { path: path() }, Never, "state"),
        (PartError::GroupSync { path: path(), source }, Later, "state"),
        (io(ErrorKind::StorageFull), WithRoom, "no-room"),
        (io(ErrorKind::QuotaExceeded), WithRoom, "no-room"),
        (io(ErrorKind::ReadOnlyFilesystem), WithRoom, "disk"),
        (io(ErrorKind::PermissionDenied), Never, "permission"),
        (io(ErrorKind::InvalidFilename), Never, "name"),
        (io(ErrorKind::IsADirectory), Never, "name"),
        (io(ErrorKind::FileTooLarge), Never, "too-large"),
        (io(ErrorKind::NotFound), Never, "disk"),
        (io(ErrorKind::StaleNetworkFileHandle), Later, "disk"),
    ]
    .into_iter()
    .map(|(error, retry, class)| (Failure::Local(error), retry, Local, class))
    .collect()
}

fn of_the_network() -> Vec<Row> {
    let host = || "a.test:80".to_owned();
    let url = || Url::parse("http://a.test/").unwrap();
    let addr = ([127, 0, 0, 1], 80).into();
    let reset = || io::Error::from(ErrorKind::ConnectionReset);
    let unknown = || io::Error::other("Name or service not known");
    let proxy = |status| RemoteError::Proxy { proxy: host(), host: host(), status, why: host() };
    let (over, after) = (Duration::from_secs(1), Duration::from_secs(1));
    let (certificate, handshake) = (TlsFault::Certificate, TlsFault::Protocol);
    let tls = |kind| RemoteError::Tls { host: host(), why: host(), kind, remedy: None };
    [
        (RemoteError::Resolve { host: host(), source: unknown() }, Never, Connection, "dns"),
        (RemoteError::Resolve { host: host(), source: reset() }, Later, HostAway, "dns"),
        (
            RemoteError::NotPublic { host: host(), addr: [10, 0, 0, 1].into() },
            Never,
            Connection,
            "address",
        ),
        (RemoteError::Refused { host: host(), addr }, Later, HostAway, "connect"),
        (RemoteError::Connect { host: host(), addr, source: reset() }, Later, HostAway, "connect"),
        (RemoteError::ConnectTimeout { host: host(), after }, Later, HostAway, "timeout"),
        (tls(certificate), Never, Connection, "tls"),
        (tls(handshake), Never, Connection, "tls"),
        (proxy(None), Later, HostAway, "proxy"),
        (proxy(Some(503)), Later, HostAway, "proxy"),
        (proxy(Some(403)), Never, Connection, "proxy"),
        (proxy(Some(407)), Never, Caller, "407"),
        (RemoteError::Reset { host: host(), source: reset() }, Later, HostAway, "broken"),
        (RemoteError::Io { host: host(), source: reset() }, Later, Connection, "broken"),
        (RemoteError::TooSlow { host: host(), least: 1, over }, Later, Connection, "timeout"),
        (
            RemoteError::Truncated { host: host(), got: 1, expected: None },
            Later,
            Connection,
            "broken",
        ),
        (RemoteError::Protocol { host: host(), why: host() }, Later, HostAway, "protocol"),
        (RemoteError::TooManyRedirects { limit: 1, url: url() }, Never, Connection, "redirect"),
        (RemoteError::DowngradeRefused { from: host(), to: url() }, Never, Connection, "tls"),
        (RemoteError::BadRedirect { host: host(), why: host() }, Never, Connection, "redirect"),
        (RemoteError::UnsupportedScheme { scheme: host() }, Never, Connection, "address"),
        (RemoteError::FilesNotAllowed, Never, Connection, "address"),
        (RemoteError::BadUrl { why: "" }, Never, Connection, "address"),
        (
            RemoteError::Source { path: "f".into(), source: io::Error::other("EIO") },
            Never,
            Item,
            "disk",
        ),
        (RemoteError::SourceChanged { path: "f".into() }, Later, Item, "changed"),
    ]
    .into_iter()
    .map(|(source, retry, fault, class)| {
        (Failure::Remote { source, tries: 1 }, retry, fault, class)
    })
    .collect()
}

fn of_refusals() -> Vec<Row> {
    [
        (RefusalKind::Transient, Some(500), Later, Item, "500"),
        (RefusalKind::NotReady, Some(202), Later, Item, "202"),
        (RefusalKind::Busy, Some(503), Later, HostBusy, "503"),
        (RefusalKind::TooMany, Some(429), Later, HostBusy, "429"),
        (RefusalKind::Denied, Some(403), Never, Item, "403"),
        (RefusalKind::Unauthorized, Some(401), Never, Item, "401"),
        (RefusalKind::Gone, Some(404), Never, Item, "404"),
        (RefusalKind::Gone, None, Never, Item, "gone"),
        (RefusalKind::BadQuestion, Some(400), Never, Item, "400"),
        (RefusalKind::Permanent, Some(451), Never, Item, "451"),
    ]
    .into_iter()
    .map(|(kind, code, retry, fault, class)| {
        let mut refusal = Refusal::broken("a.test", "no");
        (refusal.kind, refusal.code) = (kind, code);
        (refusal.into(), retry, fault, class)
    })
    .collect()
}

fn of_adopting() -> Vec<Row> {
    [
        (Unadoptable::Nothing, Caller, "state"),
        (Unadoptable::Unclaimed, Caller, "state"),
        (Unadoptable::NoRanges, Item, "protocol"),
        (Unadoptable::Encoded { coding: String::new() }, Item, "protocol"),
        (Unadoptable::Control(ControlError::Torrent), Caller, "usage"),
    ]
    .into_iter()
    .map(|(why, fault, class)| {
        let (path, why) = ("f".into(), Box::new(why));
        (Failure::Unadoptable { path, why }, Never, fault, class)
    })
    .collect()
}

#[test]
fn each_failure_means_what_the_model_says() {
    let rows = [of_a_file(), of_this_machine(), of_the_network(), of_refusals(), of_adopting()];
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let page = include_str!("../../../../docs/lists.md");
    for (failure, retry, fault, class) in &rows {
        let meaning = failure.meaning();
        let is = (meaning.retry, meaning.fault, meaning.class.to_string());
        assert_eq!(is, (*retry, *fault, (*class).to_owned()), "{failure:?}");
        assert_eq!(failure.may_be_retried(), *retry != Never, "{failure:?}");
        if matches!(meaning.class, FailureClass::Status(_) | FailureClass::Stopped) {
            continue;
        }
        let row = page.lines().find(|line| line.starts_with(&format!("| `{class}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/lists.md lacks {class}"));
        let word = if *retry == Never { "fatal" } else { "transient" };
        assert!(row.contains(word), "docs/lists.md does not say that {class} may be {word}: {row}");
    }
    let kinds: std::collections::BTreeSet<_> = rows.iter().map(|row| kind(&row.0)).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
}
