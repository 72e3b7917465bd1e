//! What the user decides about connections and requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cookie_store::CookieStore;
use http::header::{self, HeaderName, HeaderValue};

use super::pace::MinRate;
use super::proxy::ProxyRules;
use super::reach::Reach;
use crate::origin::Origin;

/// Looks up the login for a host name (netrc). Also asked for the hosts that redirects lead to.
pub type LoginsByHost = Arc<dyn Fn(&str) -> Option<Login> + Send + Sync>;

/// How to connect and what to send. Start from [`Config::default`] and set fields.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The longest that name lookup, TCP, proxy and TLS may take together. Default 15 s.
    pub connect_timeout: Duration,
    /// Which HTTP versions may be spoken.
    pub versions: Versions,
    /// Which of them is asked for first, where [`Versions::Auto`] leaves it open. Default HTTP/2.
    pub prefer: Prefer,
    /// Whom to trust.
    pub tls: Tls,
    /// Which proxy to use for which host. Default: none.
    pub proxy: ProxyRules,
    /// The `User-Agent`. Default `piton/VERSION`.
    pub user_agent: HeaderValue,
    /// Headers for every server that is asked: those that lists name and redirects lead to as well. What
    /// may be a secret ([`is_harmless`](super::is_harmless) says what is not) belongs in `credentials`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What only some servers are told. Of several logins for one server the first counts.
    pub credentials: Vec<Credentials>,
    /// Logins by host name, where neither `credentials` nor the URL has one. Only for https.
    pub logins_by_host: Option<LoginsByHost>,
    /// Whether `logins_by_host` is asked for plain http as well, where everybody on the way can read the
    /// login. Default no.
    pub logins_in_clear: bool,
    /// Cookies to begin with. Cookies that servers set are kept for the life of the transport in any case.
    pub cookies: Option<CookieStore>,
    /// How many redirects one request may follow. Default 20.
    pub redirects: u32,
    /// Whether a redirect may lead from https to http. Default no.
    pub allow_downgrade: bool,
    /// How many lanes share one HTTP/2 connection. Default 4.
    pub streams_per_connection: usize,
    /// The receive window of an HTTP/2 stream in bytes: the most that it holds in memory, and the most that
    /// can come in per round trip. Default 384 KiB; a connection's window is this times
    /// `streams_per_connection`.
    pub stream_window: u32,
    /// Which addresses of a host may be used.
    pub address_family: AddressFamily,
    /// Which servers may be connected to. Default all.
    pub reach: Reach,
    /// A body that comes in more slowly than this fails. `None`: however slowly. Default
    /// [`MinRate::DEFAULT`].
    pub min_rate: Option<MinRate>,
    /// The longest response head in bytes. Default 64 KiB; at least 8 KiB.
    pub max_head_bytes: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            connect_timeout: Duration::from_secs(15),
            versions: Versions::Auto,
            prefer: Prefer::Http2,
            tls: Tls::default(),
            proxy: ProxyRules::default(),
            user_agent: HeaderValue::from_static(concat!("piton/", env!("CARGO_PKG_VERSION"))),
            headers: Vec::new(),
            credentials: Vec::new(),
            logins_by_host: None,
            logins_in_clear: false,
            cookies: None,
            redirects: 20,
            allow_downgrade: false,
            streams_per_connection: 4,
            stream_window: 384 << 10,
            address_family: AddressFamily::Any,
            reach: Reach::Anywhere,
            min_rate: Some(MinRate::DEFAULT),
            max_head_bytes: 64 << 10,
        }
    }
}

impl Config {
    /// Refuses what could not be sent, and headers that the transport itself answers for: a `Range` of the user's would make every
    /// resumed byte land in the wrong place.
    pub(super) fn check(&mut self) -> Result<(), ConfigError> {
        check_headers(&self.headers)?;
        let secret = |name: &&HeaderName| {
            [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(name)
        };
        if let Some(name) = self.headers.iter().map(|(name, _)| name).find(secret) {
            return Err(ConfigError::ForAll { name: name.clone() });
        }
        for credentials in &self.credentials {
            check_headers(&credentials.headers)?;
            if credentials.login.as_ref().is_some_and(|login| login.header().is_none()) {
                return Err(ConfigError::Login);
            }
        }
        // hyper refuses smaller buffers than this.
        self.max_head_bytes = self.max_head_bytes.max(8 << 10);
        self.streams_per_connection = self.streams_per_connection.max(1);
        self.stream_window = self.stream_window.clamp(64 << 10, 64 << 20);
        Ok(())
    }
}

/// Refuses headers that are not the user's to set.
pub(crate) fn check_headers(headers: &[(HeaderName, HeaderValue)]) -> Result<(), ConfigError> {
    const OWN: [HeaderName; 12] = [
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::HOST,
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_RANGE,
        header::RANGE,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    match headers.iter().find(|(name, _)| OWN.contains(name)) {
        Some((name, _)) => Err(ConfigError::Header { name: name.clone() }),
        None => Ok(()),
    }
}

/// Which HTTP versions may be spoken. HTTP/2 is only ever agreed on inside TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Versions {
    /// Both: [`Prefer`] says which first.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, for https; plain http stays HTTP/1.1.
    Http2,
}

/// Which HTTP version is asked for first. The other one is spoken with servers that do not have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefer {
    /// HTTP/1.1: a body costs less CPU, since its bytes go from the socket straight to their place. For few
    /// and large files.
    Http1,
    /// HTTP/2: many requests share a connection. For many and small files.
    #[default]
    Http2,
}

/// Whom to trust.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Extra trusted roots, each a PEM file's contents, beside those of the platform.
    pub ca_pem: Vec<Vec<u8>>,
    /// Accept any certificate. Whoever is between can then read and change everything.
    pub insecure: bool,
}

/// What only some servers are told: a login belongs to an origin, and no list, journal or redirect can
/// send it to another one.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Who is told. `http://HOST/` on the usual port includes `https://HOST/`, never the other way round.
    pub origins: Vec<Origin>,
    /// Wins over a login in the URL, which wins over [`Config::logins_by_host`].
    pub login: Option<Login>,
    /// Headers, such as `Cookie` or `PRIVATE-TOKEN`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The client's own certificate. An https proxy is shown it where that is one of `origins`.
    pub identity: Option<Identity>,
}

impl Credentials {
    /// Whether `origin` is told.
    pub(super) fn are_for(&self, origin: &Origin) -> bool {
        self.origins.iter().any(|own| own.trusts(origin))
    }
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate and its intermediates, in PEM.
    pub cert_chain_pem: Vec<u8>,
    /// The private key (PKCS#8, PKCS#1 or SEC1), in PEM, not encrypted.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A login for a host, sent without being asked for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// RFC 7617.
    Basic {
        /// The user's name; must not contain a colon.
        user: String,
        /// May be empty.
        password: String,
    },
    /// RFC 6750.
    Bearer(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::Basic { .. } => "Basic(..)",
            Login::Bearer(_) => "Bearer(..)",
        })
    }
}

/// Which addresses of a host may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressFamily {
    /// Both, raced as RFC 8305 describes.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// A configuration that cannot be used. The user's to correct.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No certificate could be read from a CA file.
    #[error("the CA file cannot be used: {why}")]
    Ca {
        /// What is wrong with it.
        why: String,
    },
    /// The client certificate or its key cannot be used.
    #[error("the client certificate cannot be used: {why}")]
    Identity {
        /// What is wrong with it.
        why: String,
    },
    /// The address of a proxy cannot be used.
    #[error(
        "the proxy for {scheme} is not a usable URL \
         (hint: http://, https://, socks4://, socks4a://, socks5:// or socks5h://HOST:PORT)"
    )]
    Proxy {
        /// `http`, `https` or `all`.
        scheme: &'static str,
    },
    /// A login that no header can hold.
    #[error("the token contains characters that cannot be sent (perhaps a newline from a file?)")]
    Login,
    /// A header that is a login, and was given for every server.
    #[error("the header {name} is a login and cannot go to every server")]
    ForAll {
        /// Its name.
        name: HeaderName,
    },
    /// A header that the transport sets itself.
    #[error("the header {name} is set by piton itself and cannot be changed")]
    Header {
        /// Its name.
        name: HeaderName,
    },
}
