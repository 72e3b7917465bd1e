//! Which way leads to a host: straight, by an HTTP proxy, through a tunnel, or through SOCKS.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Uri};
use hyper_util::client::legacy::connect::proxy::{SocksV4, SocksV5};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tower_service::Service;
use url::Host;

use super::config::ConfigError;
use super::h1;
use super::stream::Stream;
use crate::error::RemoteError;
use crate::origin::Origin;

/// Which proxy serves which hosts.
#[derive(Clone, Default)]
pub struct ProxyRules(Option<Arc<Matcher>>);

impl ProxyRules {
    /// The proxy for http, the one for https, the one for what these two leave open, and the hosts that are
    /// reached without any (comma-separated domains, addresses and networks, or `*`), as in `http_proxy`,
    /// `https_proxy`, `all_proxy` and `no_proxy`. Empty means none. A login may stand in the address.
    ///
    /// # Errors
    /// [`ConfigError::Proxy`] for an address that no proxy can have; it is never taken to mean "no proxy".
    pub fn new(http: &str, https: &str, all: &str, no: &str) -> Result<ProxyRules, ConfigError> {
        for (scheme, address) in [("http", http), ("https", https), ("all", all)] {
            // The matcher drops what it cannot use, and the download would go past the proxy unseen.
            let alone = Matcher::builder().all(address).build();
            let usable = alone.intercept(&Uri::from_static("http://a.invalid/")).is_some();
            if !address.is_empty() && !usable {
                return Err(ConfigError::Proxy { scheme });
            }
        }
        // The matcher's own `*` leaves out the hosts that are given as addresses.
        let none = no.split(',').any(|entry| entry.trim() == "*");
        if none || [http, https, all].iter().all(|address| address.is_empty()) {
            return Ok(ProxyRules(None));
        }
        let rules = Matcher::builder().http(http).https(https).all(all).no(no);
        Ok(ProxyRules(Some(Arc::new(rules.build()))))
    }

    pub(super) fn route(&self, origin: &Origin) -> Result<Route, RemoteError> {
        let Some(matcher) = &self.0 else { return Ok(Route::Direct) };
        let Some(found) = matcher.intercept(&origin_uri(origin)?) else { return Ok(Route::Direct) };
        Ok(Route::By(Proxy::new(&found, origin.tls)?))
    }
}

impl From<Matcher> for ProxyRules {
    fn from(matcher: Matcher) -> ProxyRules {
        ProxyRules(Some(Arc::new(matcher)))
    }
}

pub(super) enum Route {
    Direct,
    By(Proxy),
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) kind: Kind,
    /// Whether the proxy itself is spoken to over TLS.
    pub(super) tls: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Its address without a login, for messages.
    pub(super) shown: String,
}

#[derive(Clone)]
pub(super) enum Kind {
    /// Requests in absolute form, for http.
    Forward { login: Option<HeaderValue> },
    /// CONNECT, for https.
    Tunnel { login: Option<HeaderValue> },
    /// SOCKS 4 or 4a.
    Socks4 { local_lookup: bool },
    /// SOCKS 5.
    Socks5 { local_lookup: bool, login: Option<(String, String)> },
}

impl Proxy {
    fn new(found: &Intercept, to_tls: bool) -> Result<Proxy, RemoteError> {
        let uri = found.uri();
        let scheme = uri.scheme_str().unwrap_or("http");
        let (kind, usual_port) = match scheme {
            "socks4" => (Kind::Socks4 { local_lookup: true }, 1080),
            "socks4a" => (Kind::Socks4 { local_lookup: false }, 1080),
            "socks5" | "socks5h" => {
                let login = found.raw_auth().map(|(user, word)| (user.to_owned(), word.to_owned()));
                (Kind::Socks5 { local_lookup: scheme == "socks5", login }, 1080)
            }
            _ => {
                let login = found.basic_auth().cloned();
                let kind = if to_tls { Kind::Tunnel { login } } else { Kind::Forward { login } };
                (kind, if scheme == "https" { 443 } else { 80 })
            }
        };
        let host = Host::parse(uri.host().unwrap_or_default())
            .map_err(|_| RemoteError::BadUrl { why: "the proxy's host is not a valid name" })?;
        let port = uri.port_u16().unwrap_or(usual_port);
        let shown = format!("{scheme}://{host}:{port}");
        Ok(Proxy { kind, tls: scheme == "https", host, port, shown })
    }

    /// Whether the name must be looked up here, for a proxy that only takes addresses.
    pub(super) fn wants_address(&self) -> bool {
        matches!(
            self.kind,
            Kind::Socks4 { local_lookup: true } | Kind::Socks5 { local_lookup: true, .. }
        )
    }

    /// Makes `stream`, which leads to the proxy, lead to `target`; `origin` is what the user asked for.
    pub(super) async fn open(
        &self,
        stream: Stream,
        target: &Origin,
        origin: &Origin,
        max_head: usize,
    ) -> Result<Stream, RemoteError> {
        match &self.kind {
            Kind::Forward { .. } => Ok(stream),
            Kind::Tunnel { login } => self.tunnel(stream, login.as_ref(), origin, max_head).await,
            Kind::Socks4 { .. } => {
                let socks = SocksV4::new(Uri::from_static("socks4://proxy"), Once(Some(stream)));
                self.socks(socks, target, origin).await
            }
            Kind::Socks5 { login, .. } => {
                let mut socks =
                    SocksV5::new(Uri::from_static("socks5://proxy"), Once(Some(stream)));
                if let Some((user, password)) = login {
                    socks = socks.with_auth(user.clone(), password.clone());
                }
                self.socks(socks, target, origin).await
            }
        }
    }

    /// RFC 9110 section 9.3.6.
    async fn tunnel(
        &self,
        stream: Stream,
        login: Option<&HeaderValue>,
        origin: &Origin,
        max_head: usize,
    ) -> Result<Stream, RemoteError> {
        let target = origin.to_string();
        let mut request = http::Request::builder().method(Method::CONNECT).uri(&target);
        if let Ok(host) = HeaderValue::from_str(&target) {
            request = request.header(HOST, host);
        }
        if let Some(login) = login {
            request = request.header(PROXY_AUTHORIZATION, login);
        }
        let request = request.body(h1::NoBody::new()).map_err(|_| unusable())?;
        let answer = h1::exchange(stream, request, max_head, &self.shown).await?;
        let status = answer.head.status;
        if !status.is_success() {
            return Err(self.refused(origin, status.as_u16()));
        }
        answer
            .into_tunnel()
            .ok_or_else(|| self.failed(origin, "it sent data before the server did".to_owned()))
    }

    /// The proxy's answer, where it is not the server's.
    pub(super) fn refused(&self, origin: &Origin, status: u16) -> RemoteError {
        let why = match status {
            407 => "it requires a login, or a different one (407)".to_owned(),
            403 => "it forbids it (403)".to_owned(),
            status => format!("it answered {status}"),
        };
        let (proxy, host) = (self.shown.clone(), origin.to_string());
        RemoteError::Proxy { proxy, host, status: Some(status), why }
    }

    fn failed(&self, origin: &Origin, why: String) -> RemoteError {
        let (proxy, host) = (self.shown.clone(), origin.to_string());
        RemoteError::Proxy { proxy, host, status: None, why }
    }

    async fn socks<S>(
        &self,
        mut socks: S,
        target: &Origin,
        origin: &Origin,
    ) -> Result<Stream, RemoteError>
    where
        S: Service<Uri, Response = TokioIo<Stream>>,
        S::Error: std::fmt::Display,
    {
        let connected = socks.call(origin_uri(target)?).await;
        connected.map(TokioIo::into_inner).map_err(|error| self.failed(origin, error.to_string()))
    }
}

fn origin_uri(origin: &Origin) -> Result<Uri, RemoteError> {
    let scheme = if origin.tls { "https" } else { "http" };
    let built = Uri::builder().scheme(scheme).authority(origin.to_string()).path_and_query("/");
    built.build().map_err(|_| unusable())
}

fn unusable() -> RemoteError {
    RemoteError::BadUrl { why: "its host does not fit into a request" }
}

/// Hands hyper-util's SOCKS code the connection that is there already.
struct Once(Option<Stream>);

impl Service<Uri> for Once {
    type Response = TokioIo<Stream>;
    type Error = std::io::Error;
    type Future = Ready<Result<TokioIo<Stream>, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(
            self.0.take().map(TokioIo::new).ok_or_else(|| std::io::ErrorKind::NotConnected.into()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    fn by(rules: &ProxyRules, url: &str) -> Option<String> {
        match rules.route(&Origin::of(&Url::parse(url).unwrap()).unwrap()).unwrap() {
            Route::Direct => None,
            Route::By(proxy) => Some(proxy.shown),
        }
    }

    #[test]
    fn each_host_by_its_proxy() {
        let rules = ProxyRules::new(
            "http://u:p@web.example:3128",
            "",
            "socks5h://[::1]",
            "near.example,10.0.0.0/8",
        )
        .unwrap();
        assert_eq!(by(&rules, "http://a.example/").unwrap(), "http://web.example:3128");
        assert_eq!(by(&rules, "https://a.example/").unwrap(), "socks5h://[::1]:1080");
        assert_eq!(by(&rules, "https://www.near.example/"), None);
        assert_eq!(by(&rules, "http://10.1.2.3:8080/"), None);
        assert_eq!(by(&rules, "https://[::2]/").unwrap(), "socks5h://[::1]:1080");
    }

    #[test]
    fn an_address_that_cannot_be_used_is_not_no_proxy() {
        for bad in ["ftp://a.example:1", "http://", "a b", "socks9://x"] {
            assert!(ProxyRules::new("", "", bad, "").is_err(), "{bad}");
        }
        assert!(ProxyRules::new("", "", "", "x").unwrap().0.is_none());
    }
}
