//! `[network]`: how servers are reached; for `get`, `resume` and the config file.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::value::{Bytes, Span, from_text};

#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct NetworkOptions {
    /// Login for a server (repeatable)
    ///
    /// HOST= names the server: HOST (https), HOST:PORT or http://HOST:PORT. Without it, the login goes
    /// only to the servers of the URLs given to this command (for a list: to the server of its URL, or to
    /// the server of its items if all have the same), and never to one that a redirect, a mirror or a
    /// list leads to. It is never written to disk. Other users of this machine can see the command
    /// line: a netrc file is more private.
    #[arg(long, value_name = "[HOST=]USER:PASSWORD", help_heading = "Login")]
    #[serde(skip)]
    pub(crate) user: Vec<String>,

    /// Token for a server, sent as "Authorization: Bearer TOKEN" (repeatable)
    ///
    /// It goes to the same servers as a --user login.
    #[arg(long, value_name = "[HOST=]TOKEN", help_heading = "Login", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) bearer: Vec<String>,

    /// Use the logins in ~/.netrc, for https
    #[arg(long, value_name = "BOOL", help_heading = "Login", hide_short_help = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) netrc: Option<bool>,

    /// Use the logins in this netrc file, for https
    #[arg(long, value_name = "FILE", help_heading = "Login", hide_short_help = true)]
    pub(crate) netrc_file: Option<PathBuf>,

    /// Send netrc logins over plain http too, where anyone on the network path can read them
    #[arg(long, help_heading = "Login", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) netrc_http: bool,

    /// Send the cookies in this file (Netscape format, as exported by browsers and curl)
    #[arg(long, value_name = "FILE", help_heading = "Login", hide_short_help = true)]
    pub(crate) cookies: Option<PathBuf>,

    /// Extra header to send (repeatable)
    ///
    /// Accept, Accept-Language and the like, Cache-Control, DNT, Pragma, Referer and User-Agent go to
    /// every server. Any other header may be a secret, and goes to the same servers as a --user login;
    /// "HOST=NAME: VALUE" names one server, "*=NAME: VALUE" means all.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", help_heading = "Network")]
    pub(crate) header: Vec<String>,

    /// User-Agent to send
    #[arg(long, value_name = "TEXT", help_heading = "Network", hide_short_help = true)]
    pub(crate) user_agent: Option<String>,

    /// HTTP version [default: auto]
    #[arg(long, value_name = "VERSION", help_heading = "Network", hide_short_help = true)]
    pub(crate) http: Option<HttpVersion>,

    /// Give up connecting after this long [default: 15s]
    #[arg(long, value_name = "TIME", help_heading = "Network", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) connect_timeout: Option<Span>,

    /// Drop a connection that stays below this many bytes per second for a minute [default: 32]
    ///
    /// Otherwise a server that sends a byte now and then would hold the connection forever. 0 accepts
    /// any speed.
    #[arg(long, value_name = "RATE", help_heading = "Network", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) min_rate: Option<Bytes>,

    /// Use IPv4 only
    #[arg(
        short = '4',
        long,
        help_heading = "Network",
        hide_short_help = true,
        conflicts_with = "ipv6"
    )]
    #[serde(skip)]
    pub(crate) ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long, help_heading = "Network", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) ipv6: bool,

    /// Connect only to public internet addresses, except for servers named on the command line
    ///
    /// Refuses loopback, link-local, private and similar addresses for servers that lists, journals and
    /// redirects name. The address itself is checked, not the name. Names that a proxy resolves cannot
    /// be checked.
    #[arg(long, value_name = "BOOL", help_heading = "Network", hide_short_help = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) public_only: Option<bool>,

    /// Redirects to follow in a row [default: 20]
    #[arg(long, value_name = "N", help_heading = "Network", hide_short_help = true)]
    pub(crate) max_redirect: Option<u32>,

    /// Follow redirects from https to http
    #[arg(long, help_heading = "Network", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) allow_downgrade: bool,

    /// Proxy: http://, https://, socks5:// or socks5h:// (the proxy resolves names)
    ///
    /// Default: the environment variables http_proxy, https_proxy and all_proxy.
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(crate) proxy: Option<String>,

    /// Hosts to reach without the proxy: "example.com,10.0.0.0/8", "*" for all
    ///
    /// Default: the environment variable no_proxy.
    #[arg(long, value_name = "HOSTS", help_heading = "Network", hide_short_help = true)]
    pub(crate) no_proxy: Option<String>,

    /// Also trust the certificates in this PEM file
    #[arg(long, value_name = "FILE", help_heading = "TLS", hide_short_help = true)]
    pub(crate) ca_file: Option<PathBuf>,

    /// Client certificate, PEM
    ///
    /// It goes to the same servers as a --user login.
    #[arg(long, value_name = "[HOST=]FILE", help_heading = "TLS", hide_short_help = true)]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of the client certificate, PEM [default: the file of --cert]
    #[arg(long, value_name = "FILE", help_heading = "TLS", hide_short_help = true)]
    pub(crate) key: Option<PathBuf>,

    /// Accept any certificate: anyone on the network path can read and change everything
    #[arg(long, help_heading = "TLS", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) insecure: bool,
}

/// `--http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
pub(crate) enum HttpVersion {
    #[value(name = "1.1")]
    #[serde(rename = "1.1")]
    Http1,
    #[value(name = "2")]
    #[serde(rename = "2")]
    Http2,
    #[value(name = "auto")]
    #[serde(rename = "auto")]
    Auto,
}

impl NetworkOptions {
    /// These options, with those of the config file where these are not set. Headers of both
    /// are sent.
    pub(crate) fn or(self, defaults: Self) -> Self {
        let netrc_named = self.netrc.is_some() || self.netrc_file.is_some();
        let mut header = defaults.header;
        header.extend(self.header);
        Self {
            user: self.user,
            bearer: self.bearer,
            netrc: self.netrc.or(defaults.netrc.filter(|_| !netrc_named)),
            netrc_file: self.netrc_file.or(defaults.netrc_file.filter(|_| !netrc_named)),
            netrc_http: self.netrc_http,
            cookies: self.cookies.or(defaults.cookies),
            header,
            user_agent: self.user_agent.or(defaults.user_agent),
            http: self.http.or(defaults.http),
            connect_timeout: self.connect_timeout.or(defaults.connect_timeout),
            min_rate: self.min_rate.or(defaults.min_rate),
            ipv4: self.ipv4,
            ipv6: self.ipv6,
            public_only: self.public_only.or(defaults.public_only),
            max_redirect: self.max_redirect.or(defaults.max_redirect),
            allow_downgrade: self.allow_downgrade,
            proxy: self.proxy.or(defaults.proxy),
            no_proxy: self.no_proxy.or(defaults.no_proxy),
            ca_file: self.ca_file.or(defaults.ca_file),
            // A key belongs to its certificate: the pair comes from one place.
            key: if self.cert.is_some() { self.key } else { self.key.or(defaults.key) },
            cert: self.cert.or(defaults.cert),
            insecure: self.insecure,
        }
    }
}
