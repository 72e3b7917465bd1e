//! From options to the configuration of the transport.

mod secrets;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;
use piton::durable::fs::OsFs;
use piton::fetch::Client;
use piton::remote::http::CookiesTxt;
use piton::remote::http::{
    AddressFamily, Config, ConfigError, Credentials, Login, LoginsByHost, MinRate, Prefer,
    ProxyRules, Reach, Tls, Versions,
};
use piton::remote::netrc::Netrc;
use piton::remote::{Origin, Remote};
use url::Url;

use crate::args::{Bytes, HttpVersion, NetworkOptions};
use crate::environment::{Environment, Proxies};
use crate::read;
use crate::trouble::Trouble;
use secrets::Secrets;

/// How to reach servers, and what each of them may receive.
pub(crate) struct Network {
    config: Config,
    /// What the options give without naming a server.
    unnamed: Credentials,
}

impl Network {
    /// From these options; the environment gives the proxies that they do not.
    ///
    /// Errors name the option, but never its value if it may hold a login.
    pub(crate) fn of(options: &NetworkOptions, environment: &Environment) -> Result<Self, Trouble> {
        let mut config = Config::default();
        config.versions = match options.http {
            Some(HttpVersion::Http1) => Versions::Http1,
            Some(HttpVersion::Http2) => Versions::Http2,
            Some(HttpVersion::Auto) | None => Versions::Auto,
        };
        config.address_family = match (options.ipv4, options.ipv6) {
            (true, _) => AddressFamily::V4,
            (_, true) => AddressFamily::V6,
            _ => AddressFamily::Any,
        };
        if let Some(timeout) = options.connect_timeout {
            config.connect_timeout = timeout.0;
        }
        if let Some(Bytes(bytes)) = options.min_rate {
            config.min_rate = (bytes > 0).then_some(MinRate { bytes, ..MinRate::DEFAULT });
        }
        if let Some(redirects) = options.max_redirect {
            config.redirects = redirects;
        }
        config.allow_downgrade = options.allow_downgrade;
        if options.public_only == Some(true) {
            config.reach = Reach::Public { except: Vec::new() };
        }
        if let Some(agent) = &options.user_agent {
            config.user_agent = HeaderValue::from_str(agent).map_err(|_| {
                Trouble::usage("--user-agent contains characters that are not allowed in a header")
            })?;
        }
        let secrets = Secrets::of(options)?;
        config.headers = secrets.for_all;
        config.credentials = secrets.named;
        config.logins_by_host = netrc(options, environment)?.map(|netrc| {
            let lookup = move |host: &str| {
                let found = netrc.lookup(host)?;
                Some(Login::Basic { user: found.user, password: found.password })
            };
            Arc::new(lookup) as LoginsByHost
        });
        config.logins_in_clear = options.netrc_http;
        config.cookies = match &options.cookies {
            Some(path) => Some(cookies(path)?),
            None => None,
        };
        config.proxy = proxies(options, &environment.proxies).map_err(unusable)?;
        config.tls = tls(options)?;
        let network = Self { config, unnamed: secrets.unnamed };
        // Report unusable credentials now, whatever they are for.
        network.remote(Vec::new())?;
        Ok(network)
    }

    /// The user named these: `--public-only` does not block their servers.
    pub(crate) fn allow(&mut self, named: &[Url]) {
        if let Reach::Public { except } = &mut self.config.reach {
            except.extend(origins(named));
        }
    }

    /// Prefers this version of HTTP, if the options leave it open.
    pub(crate) fn prefer(&mut self, version: Prefer) {
        self.config.prefer = version;
    }

    /// A client. The URLs are those that the user wants to fetch: their servers receive the credentials
    /// that name no server.
    pub(crate) fn client(&mut self, named: &[Url]) -> Result<Client, Trouble> {
        self.allow(named);
        self.client_for(origins(named).collect())
    }

    /// The same, but `file:` URLs may be fetched too: only if the command line itself names the URLs. A
    /// list or a journal does not choose which local files are copied.
    pub(crate) fn client_of_files(&mut self, named: &[Url]) -> Result<Client, Trouble> {
        self.allow(named);
        let remote = self.remote(origins(named).collect())?.with_files(Arc::new(OsFs));
        Ok(Client::new(remote, Arc::new(OsFs)))
    }

    /// A client for servers that are named in another way.
    pub(crate) fn client_for(&self, named: Vec<Origin>) -> Result<Client, Trouble> {
        Ok(Client::new(self.remote(named)?, Arc::new(OsFs)))
    }

    fn remote(&self, named: Vec<Origin>) -> Result<Remote, Trouble> {
        let mut config = self.config.clone();
        config.credentials.push(Credentials { origins: named, ..self.unnamed.clone() });
        Remote::new(config).map_err(unusable)
    }

    /// Refuses a login that does not name its server. `why` says why the server cannot be known.
    pub(crate) fn require_named(&self, why: &str) -> Result<(), Trouble> {
        let Some(option) = secrets::unnamed(&self.unnamed) else { return Ok(()) };
        Err(Trouble::usage(format!("{option} does not name its server: {why}"))
            .hint("put HOST= before the value (or HOST:PORT=, http://HOST=)"))
    }

    /// Whether [`Network::require_named`] refuses.
    pub(crate) fn has_unnamed(&self) -> bool {
        secrets::unnamed(&self.unnamed).is_some()
    }
}

/// Anything but http and https has no origin, and cannot be asked.
fn origins(urls: &[Url]) -> impl Iterator<Item = Origin> {
    urls.iter().filter_map(|url| Origin::of(url).ok())
}

fn unusable(error: ConfigError) -> Trouble {
    Trouble::usage(error.to_string())
}

fn netrc(options: &NetworkOptions, environment: &Environment) -> Result<Option<Netrc>, Trouble> {
    let path = match (&options.netrc_file, options.netrc) {
        (Some(path), _) => path.clone(),
        (None, Some(true)) => environment
            .netrc_file()
            .ok_or_else(|| Trouble::usage("--netrc needs $HOME; use --netrc-file FILE instead"))?,
        (None, _) => return Ok(None),
    };
    let text = read::text(&path).map_err(|error| Trouble::file("read", &path, &error))?;
    let netrc = Netrc::parse(&text);
    netrc.map(Some).map_err(|error| Trouble::usage(format!("{}: {error}", path.display())))
}

fn cookies(path: &Path) -> Result<cookie_store::CookieStore, Trouble> {
    let text = read::text(path).map_err(|error| Trouble::file("read", path, &error))?;
    let cookies = CookiesTxt::parse(&text);
    let rubbish: Vec<_> = cookies.rubbish.iter().map(usize::to_string).collect();
    if !rubbish.is_empty() {
        let path = path.display();
        if cookies.is_empty() {
            return Err(Trouble::usage(format!("{path} is not a cookie file (Netscape format)")));
        }
        // A login may depend on one of them.
        crate::out::say(format!(
            "piton: {path}: skipped invalid cookies: line {}",
            rubbish.join(", ")
        ));
    }
    Ok(cookies.into_store(SystemTime::now()))
}

/// A given proxy takes precedence over all of the environment's.
fn proxies(options: &NetworkOptions, environment: &Proxies) -> Result<ProxyRules, ConfigError> {
    let no = options.no_proxy.as_ref().or(environment.no.as_ref()).map_or("", String::as_str);
    if let Some(proxy) = &options.proxy {
        return ProxyRules::new("", "", proxy, no);
    }
    let [http, https, all] = [&environment.http, &environment.https, &environment.all]
        .map(|proxy| proxy.as_deref().unwrap_or_default());
    ProxyRules::new(http, https, all, no)
}

fn tls(options: &NetworkOptions) -> Result<Tls, Trouble> {
    let file = |path: &Path| read::bytes(path).map_err(|error| Trouble::file("read", path, &error));
    let mut tls = Tls { insecure: options.insecure, ..Tls::default() };
    if let Some(path) = &options.ca_file {
        tls.ca_pem.push(file(path)?);
    }
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn refused(options: NetworkOptions) -> Trouble {
        match Network::of(&options, &Environment::default()) {
            Ok(_) => panic!("accepted"),
            Err(trouble) => trouble,
        }
    }

    #[test]
    fn errors_repeat_no_secret() {
        let option = |set: fn(&mut NetworkOptions)| {
            let mut options = NetworkOptions::default();
            set(&mut options);
            refused(options)
        };
        for trouble in [
            option(|o| o.header = vec!["X Token: secret".into()]),
            option(|o| o.header = vec!["secret".into()]),
            option(|o| o.user = vec!["secret".into()]),
            option(|o| o.user = vec!["h=secret".into()]),
            option(|o| o.user = vec!["*=ann:secret".into()]),
            option(|o| o.bearer = vec!["*=secret".into()]),
            option(|o| o.bearer = vec!["secret\n".into()]),
            option(|o| o.header = vec!["*=Cookie: secret".into()]),
            option(|o| {
                o.user = vec!["ann:secret".into()];
                o.bearer = vec!["secret".into()];
            }),
            option(|o| o.proxy = Some("gopher://a:secret@h".into())),
            option(|o| o.proxy = Some("http://a:secret@".into())),
        ] {
            assert_eq!(trouble.exit, Exit::Usage);
            assert!(!trouble.message.contains("secret"), "{}", trouble.message);
        }
    }

    #[test]
    fn a_proxy_is_never_silently_left_out() {
        for good in ["http://h:3128", "h:3128", "socks5h://127.0.0.1:1080", "https://u:p@h"] {
            let options = NetworkOptions { proxy: Some(good.into()), ..Default::default() };
            assert!(proxies(&options, &Proxies::default()).is_ok(), "{good}");
        }
        for wrong in ["ftp://h", "http://", "socks9://h"] {
            let environment = Proxies { all: Some(wrong.into()), ..Default::default() };
            assert!(proxies(&NetworkOptions::default(), &environment).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_proxy_that_is_named_wins_over_the_environment() {
        let environment = Proxies { https: Some("ftp://wrong".into()), ..Default::default() };
        assert!(proxies(&NetworkOptions::default(), &environment).is_err());
        let options = NetworkOptions { proxy: Some("http://right".into()), ..Default::default() };
        assert!(proxies(&options, &environment).is_ok());
    }
}
