//! From options to the configuration of the transport.

use std::path::Path;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use piton::fetch::parse::cookies_txt::CookiesTxt;
use piton::fetch::parse::netrc::Netrc;
use piton::fetch::transport::{
    AddressFamily, Config, ConfigError, Identity, Login, LoginsByHost, ProxyRules, Tls, Transport,
    Versions,
};

use crate::args::{HttpVersion, NetworkOptions};
use crate::environment::{Environment, Proxies};
use crate::read;
use crate::trouble::Trouble;

/// A transport after these options; the environment says the proxies that they do not.
///
/// Errors name the option, never its value where that may hold a login.
pub(crate) fn transport(
    options: &NetworkOptions,
    environment: &Environment,
) -> Result<Transport, Trouble> {
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
    if let Some(redirects) = options.max_redirect {
        config.redirects = redirects;
    }
    config.allow_downgrade = options.allow_downgrade;
    if let Some(agent) = &options.user_agent {
        config.user_agent = HeaderValue::from_str(agent)
            .map_err(|_| Trouble::usage("--user-agent has characters that no header can have"))?;
    }
    config.headers = headers(&options.header)?;
    config.login = login(options)?;
    config.logins_by_host = netrc(options, environment)?.map(|netrc| {
        let lookup = move |host: &str| {
            let found = netrc.lookup(host)?;
            Some(Login::Basic { user: found.user, password: found.password })
        };
        Box::new(lookup) as LoginsByHost
    });
    config.cookies = match &options.cookies {
        Some(path) => Some(cookies(path)?),
        None => None,
    };
    config.proxy = proxies(options, &environment.proxies).map_err(unusable)?;
    config.tls = tls(options)?;
    Transport::new(config).map_err(unusable)
}

fn unusable(error: ConfigError) -> Trouble {
    Trouble::usage(error.to_string())
}

fn headers(lines: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, Trouble> {
    lines.iter().map(|line| header(line).ok_or_else(|| wrong_header(line))).collect()
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

fn wrong_header(line: &str) -> Trouble {
    let name = line.split_once(':').map(|(name, _)| format!(" {:?}", name.trim()));
    let name = name.unwrap_or_default();
    Trouble::usage(format!("--header{name} is not a header: expected \"NAME: VALUE\""))
}

fn login(options: &NetworkOptions) -> Result<Option<Login>, Trouble> {
    if let Some(token) = &options.bearer {
        return Ok(Some(Login::Bearer(token.clone())));
    }
    let Some(user) = &options.user else { return Ok(None) };
    let (user, password) = user
        .split_once(':')
        .ok_or_else(|| Trouble::usage("--user needs a password as well: USER:PASSWORD"))?;
    Ok(Some(Login::Basic { user: user.to_owned(), password: password.to_owned() }))
}

fn netrc(options: &NetworkOptions, environment: &Environment) -> Result<Option<Netrc>, Trouble> {
    let path = match (&options.netrc_file, options.netrc) {
        (Some(path), _) => path.clone(),
        (None, Some(true)) => environment
            .netrc_file()
            .ok_or_else(|| Trouble::usage("--netrc needs $HOME; --netrc-file names the file"))?,
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
        if cookies.entries.is_empty() {
            return Err(Trouble::usage(format!(
                "{path} is not a file of cookies (Netscape format)"
            )));
        }
        // A login may hang on one of them.
        crate::out::say(format!(
            "piton: {path}: no cookies, left out: line {}",
            rubbish.join(", ")
        ));
    }
    Ok(cookies.into_store(SystemTime::now()))
}

/// A proxy that is named wins over all of the environment's.
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
    match (&options.cert, &options.key) {
        (Some(cert), key) => {
            let key = key.as_ref().unwrap_or(cert);
            let identity = Identity { cert_chain_pem: file(cert)?, key_pem: file(key)? };
            tls.identity = Some(identity);
        }
        (None, Some(_)) => return Err(Trouble::usage("--key needs --cert")),
        (None, None) => {}
    }
    Ok(tls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn refused(options: NetworkOptions) -> Trouble {
        match transport(&options, &Environment::default()) {
            Ok(_) => panic!("accepted"),
            Err(trouble) => trouble,
        }
    }

    #[test]
    fn headers_are_split_at_the_first_colon() {
        let (name, value) = header("X-Time:  12:30 ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-time", "12:30"));
        assert!(header("Authorization: Bearer t").unwrap().1.is_sensitive());
        for wrong in ["", "name", "na me: v", ": v", "a: b\nc: d"] {
            assert_eq!(header(wrong), None, "{wrong:?}");
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
            option(|o| o.user = Some("secret".into())),
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
