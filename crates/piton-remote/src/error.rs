//! Why an exchange failed, in words for people, and whether trying again can help.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use piton_checkpoint::Class;
use url::Url;

use crate::meaning::{Meaning, Retry};

/// What part of TLS failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The server's certificate is not to be trusted.
    Certificate,
    /// The two sides could not agree, or the other side refused (a client certificate, for instance).
    Protocol,
    /// There are no trusted roots on this machine.
    Roots,
}

/// What a failure of TLS comes from, and so what would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsRemedy {
    /// The authority that signed the certificate is not known here.
    Authority,
    /// The certificate is not valid now, by this machine's clock.
    Clock,
    /// The certificate is for another name.
    Name,
    /// The server does not speak the HTTP version that is asked for.
    HttpVersion,
    /// The server wants a certificate of ours, or another one.
    ClientCertificate,
    /// The server has no version or cipher that is safe today.
    TooOld,
    /// This machine has no roots.
    Roots,
}

/// A failed exchange. No variant spoils what was received before it; `host` is always `host:port`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The host has no address that may be used.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The host looked up.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// None of its addresses may be connected to.
    #[error("{host} is at {addr}, which is not a public internet address")]
    NotPublic {
        /// The host wanted.
        host: String,
        /// One of its addresses.
        addr: IpAddr,
    },
    /// The host is there, but nothing listens on the port.
    #[error("{host} refused the connection (tried {addr})")]
    Refused {
        /// The host wanted.
        host: String,
        /// The last address tried.
        addr: SocketAddr,
    },
    /// No connection for another reason.
    #[error("cannot connect to {host} (tried {addr}): {source}")]
    Connect {
        /// The host wanted.
        host: String,
        /// The last address tried.
        addr: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// Name lookup, TCP, proxy and TLS together took too long.
    #[error("could not connect to {host} within {} s", after.as_secs_f32())]
    ConnectTimeout {
        /// The host wanted.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// TLS could not be set up.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// The host wanted.
        host: String,
        /// What is wrong.
        why: String,
        /// Which part of TLS failed.
        kind: TlsFault,
        /// What it comes from, where that is known.
        remedy: Option<TlsRemedy>,
    },
    /// The proxy would not carry the connection.
    #[error("the proxy {proxy} cannot reach {host}: {why}")]
    Proxy {
        /// The proxy's address, without a login.
        proxy: String,
        /// The host wanted.
        host: String,
        /// The proxy's HTTP status: 407 means that it wants a login.
        status: Option<u16>,
        /// The proxy's reason.
        why: String,
    },
    /// The connection ended before the response's head was whole.
    #[error("{host} closed the connection without an answer: {source}")]
    Reset {
        /// The host asked.
        host: String,
        /// What the connection said.
        source: io::Error,
    },
    /// The connection failed while the body came in.
    #[error("the connection to {host} broke: {source}")]
    Io {
        /// The host asked.
        host: String,
        /// What the connection said.
        source: io::Error,
    },
    /// The body came in too slowly for too long.
    #[error("received less than {least} bytes per second from {host} for {} s", over.as_secs_f32())]
    TooSlow {
        /// The host asked.
        host: String,
        /// The bytes a second that are asked for.
        least: u64,
        /// Over this time.
        over: Duration,
    },
    /// The body ended before its time.
    #[error("{host} ended the transfer after {got} bytes{}", announced(*expected))]
    Truncated {
        /// The host asked.
        host: String,
        /// Bytes of the body that came.
        got: u64,
        /// Bytes of the body that were announced.
        expected: Option<u64>,
    },
    /// The answer is not HTTP as the standard has it, or larger than an answer may be.
    #[error("{host} violates the HTTP protocol: {why}")]
    Protocol {
        /// The host asked.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// More redirects than allowed: mostly a loop.
    #[error("more than {limit} redirects, the last one to {url}")]
    TooManyRedirects {
        /// How many are allowed.
        limit: u32,
        /// Where the last one pointed.
        url: Url,
    },
    /// A redirect from https to http, which was not allowed.
    #[error("{from} redirects to {to}, which is not encrypted")]
    DowngradeRefused {
        /// The host that said so.
        from: String,
        /// Where it pointed.
        to: Url,
    },
    /// A redirect without a usable destination.
    #[error("{host} sent an invalid redirect: {why}")]
    BadRedirect {
        /// The host that said so.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// Neither http nor https.
    #[error("{scheme}: URLs are not supported here")]
    UnsupportedScheme {
        /// The address's scheme.
        scheme: String,
    },
    /// A `file:` URL, where files of this machine are no sources.
    #[error("local files are not read here")]
    FilesNotAllowed,
    /// A file of this machine that cannot be read to its end.
    #[error("cannot read {}: {source}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file of this machine that somebody writes to.
    #[error("{} changed while it was read", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
    },
    /// An address that cannot be asked for.
    #[error("the URL cannot be used: {why}")]
    BadUrl {
        /// What is wrong with it.
        why: &'static str,
    },
}

fn announced(expected: Option<u64>) -> String {
    expected.map(|n| format!(" of {n}")).unwrap_or_default()
}

impl RemoteError {
    /// Whether the same request may succeed later ([`Meaning`]).
    pub fn retry(&self) -> Class {
        match Meaning::of_remote(self).retry {
            Retry::Never => Class::Fatal,
            Retry::Later | Retry::WithRoom => Class::Transient,
        }
    }

    /// Whether the resolver is sure that there is no such host.
    pub(crate) fn is_no_such_name(&self) -> bool {
        matches!(self, Self::Resolve { source, .. } if no_such_name(source))
    }

    /// Whether the exchange failed before the server said a word about the request: what a limit
    /// on connections looks like from here.
    pub fn before_answer(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Connect { .. }
                | Self::ConnectTimeout { .. }
                | Self::Reset { .. }
        )
    }
}

/// The resolver's definite no, as against a network that is away. The standard library keeps only the text of
/// getaddrinfo's error, so the texts of glibc, musl and macOS for EAI_NONAME and EAI_NODATA stand here.
fn no_such_name(error: &io::Error) -> bool {
    const NO: [&str; 5] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided",
    ];
    let text = error.to_string();
    error.kind() == io::ErrorKind::AddrNotAvailable || NO.iter().any(|no| text.contains(no))
}
