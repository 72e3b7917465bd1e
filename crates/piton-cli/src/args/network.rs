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
    /// HOST= says for which one: HOST (https), HOST:PORT or http://HOST:PORT. Without it the login is
    /// for the servers of the URLs given to this command (for a list: of its URL, or of its items
    /// where all have the same), and for no other: not for one that a redirect, a mirror or a list
    /// leads to. Never written to disk. Other users of this machine can see the command line: a netrc
    /// file is more private.
    #[arg(long, value_name = "[HOST=]USER:PASSWORD", help_heading = "Login")]
    #[serde(skip)]
    pub(crate) user: Vec<String>,

    /// Token for a server, sent as "Authorization: Bearer TOKEN" (repeatable)
    ///
    /// It goes where a login of --user would go.
    #[arg(long, value_name = "[HOST=]TOKEN", help_heading = "Login", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) bearer: Vec<String>,

    /// Take logins from ~/.netrc, for https
    #[arg(long, value_name = "BOOL", help_heading = "Login", hide_short_help = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) netrc: Option<bool>,

    /// Take logins from this file, for https
    #[arg(long, value_name = "FILE", help_heading = "Login", hide_short_help = true)]
    pub(crate) netrc_file: Option<PathBuf>,

    /// Send logins of the netrc file over plain http as well, where everybody on the way can read them
    #[arg(long, help_heading = "Login", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) netrc_http: bool,

    /// Send the cookies of this file (Netscape format, as browsers and curl export it)
    #[arg(long, value_name = "FILE", help_heading = "Login", hide_short_help = true)]
    pub(crate) cookies: Option<PathBuf>,

    /// A header of your own (repeatable)
    ///
    /// Accept, Accept-Language and the like, Cache-Control, DNT, Pragma, Referer and User-Agent go to
    /// every server. Any other may be a secret, and goes where a login of --user would go; "HOST=NAME:
    /// VALUE" says to which server, "*=NAME: VALUE" to all.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", help_heading = "Network")]
    pub(crate) header: Vec<String>,

    /// User-Agent to send
    #[arg(long, value_name = "TEXT", help_heading = "Network", hide_short_help = true)]
    pub(crate) user_agent: Option<String>,

    /// HTTP version [default: auto]
    #[arg(long, value_name = "VERSION", help_heading = "Network", hide_short_help = true)]
    pub(crate) http: Option<HttpVersion>,

    /// Give up connecting after so long [default: 15s]
    #[arg(long, value_name = "TIME", help_heading = "Network", hide_short_help = true)]
    #[serde(deserialize_with = "from_text")]
    pub(crate) connect_timeout: Option<Span>,

    /// Give up a connection over which less than this came a second, for a minute [default: 32]
    ///
    /// Frees the place that a server with a byte now and then would hold for ever. 0: however slow.
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

    /// Connect to addresses of the public internet only, but for the servers named here
    ///
    /// Refuses loopback, link-local, private and the like for what lists, journals and redirects name.
    /// The address that is connected to counts, not its name. Names that a proxy looks up cannot be
    /// judged.
    #[arg(long, value_name = "BOOL", help_heading = "Network", hide_short_help = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) public_only: Option<bool>,

    /// Redirects that are followed in a row [default: 20]
    #[arg(long, value_name = "N", help_heading = "Network", hide_short_help = true)]
    pub(crate) max_redirect: Option<u32>,

    /// Follow redirects from https to http
    #[arg(long, help_heading = "Network", hide_short_help = true)]
    #[serde(skip)]
    pub(crate) allow_downgrade: bool,

    /// Proxy: http://, https://, socks5:// or socks5h:// (names are resolved by the proxy)
    ///
    /// Without it the variables http_proxy, https_proxy and all_proxy count.
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(crate) proxy: Option<String>,

    /// Hosts that are reached directly: "example.com,10.0.0.0/8", "*" for all
    ///
    /// Without it the variable no_proxy counts.
    #[arg(long, value_name = "HOSTS", help_heading = "Network", hide_short_help = true)]
    pub(crate) no_proxy: Option<String>,

    /// Trust the certificates of this PEM file as well
    #[arg(long, value_name = "FILE", help_heading = "TLS", hide_short_help = true)]
    pub(crate) ca_file: Option<PathBuf>,

    /// Certificate to show to a server, PEM
    ///
    /// It is shown where a login of --user would be sent.
    #[arg(long, value_name = "[HOST=]FILE", help_heading = "TLS", hide_short_help = true)]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of that certificate, PEM [default: the file of --cert]
    #[arg(long, value_name = "FILE", help_heading = "TLS", hide_short_help = true)]
    pub(crate) key: Option<PathBuf>,

    /// Accept any certificate: whoever is in between can read and change everything
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
    /// These options, and for what they leave open the ones of the config file. Headers of both
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
