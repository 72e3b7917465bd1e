//! The head of a request, and who may see which credential.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::config::{Config, Login};
use super::request::Request;
use super::{Shared, cookies};
use crate::origin::Origin;

/// Whether a header of this name may go to servers that nobody named: what a browser tells everybody. Any
/// other may be a secret.
pub fn is_harmless(name: &HeaderName) -> bool {
    const KNOWN: [HeaderName; 5] =
        [header::CACHE_CONTROL, header::DNT, header::PRAGMA, header::REFERER, header::USER_AGENT];
    KNOWN.contains(name) || name == header::ACCEPT || name.as_str().starts_with("accept-")
}

/// The login for a GET at `origin`. `first` is the origin of the URL that `request` is about, before
/// redirects: what belongs to this request alone is for that one. `in_url` is the login that stood in the URL.
/// `None` also where the user gave a header of their own.
pub(super) fn login(
    shared: &Shared,
    request: &Request,
    first: &Origin,
    origin: &Origin,
    in_url: Option<Login>,
) -> Option<Login> {
    let config = &shared.config;
    let entrusted = || config.credentials.iter().filter(|own| own.are_for(origin));
    let own = entrusted().flat_map(|own| &own.headers).chain(&config.headers);
    let of_request = request.headers.iter().filter(|_| first.trusts(origin));
    if own.chain(of_request).any(|(name, _)| name == header::AUTHORIZATION) {
        return None;
    }
    entrusted()
        .find_map(|own| own.login.clone())
        .or(in_url)
        .or_else(|| kept_login(config, first, origin))
}

/// The headers of a GET for `url`, which is at `origin`, with this login; `first` as for [`login`].
pub(super) fn headers(
    shared: &Shared,
    request: &Request,
    first: &Origin,
    origin: &Origin,
    url: &Url,
    login: Option<&Login>,
) -> HeaderMap {
    let config = &shared.config;
    let entrusted = config.credentials.iter().filter(|own| own.are_for(origin));
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::USER_AGENT, config.user_agent.clone());
    replace(&mut headers, config.headers.iter());
    replace(&mut headers, entrusted.flat_map(|own| &own.headers));
    let trusted = first.trusts(origin);
    replace(&mut headers, request.headers.iter().filter(|_| trusted));
    if let Some(value) = login.and_then(Login::header) {
        headers.insert(header::AUTHORIZATION, value);
    }
    cookies::add(shared, url, &mut headers);
    conditions(request, &mut headers);
    headers
}

/// The user's replace the defaults; several of one name stand side by side.
fn replace<'a>(
    headers: &mut HeaderMap,
    own: impl Iterator<Item = &'a (HeaderName, HeaderValue)> + Clone,
) {
    for (name, _) in own.clone() {
        headers.remove(name);
    }
    for (name, value) in own {
        headers.append(name, value.clone());
    }
}

/// Ranges count the bytes as they are stored, so nothing may encode them on the way.
fn conditions(request: &Request, headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(range) = &request.range {
        let last = range.last.map(|last| last.to_string()).unwrap_or_default();
        if let Ok(value) = HeaderValue::from_str(&format!("bytes={}-{last}", range.first)) {
            headers.insert(header::RANGE, value);
        }
    }
    let conditions = [
        (header::IF_RANGE, &request.if_range),
        (header::IF_MODIFIED_SINCE, &request.if_modified_since),
    ];
    for (name, value) in conditions {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    }
}

/// The login that is kept for this very host. In the clear only where that was asked for, and never where a
/// redirect took the encryption away on the way here.
fn kept_login(config: &Config, first: &Origin, origin: &Origin) -> Option<Login> {
    let in_clear = config.logins_in_clear && !first.tls;
    let look_up = config.logins_by_host.as_ref().filter(|_| origin.tls || in_clear)?;
    look_up(&origin.host.to_string())
}

impl Login {
    /// `None` where a bearer token holds what no header may hold.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Login::Basic { user, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
            Login::Bearer(token) => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Takes the login out of `url`, so that it is neither shown nor kept.
pub(super) fn take_login(url: &mut Url) -> Option<Login> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decode(url.username());
    let password = url.password().map(decode);
    let found = !user.is_empty() || password.is_some();
    // Only addresses without a host refuse this, and those have no login.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    found.then(|| Login::Basic { user, password: password.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_the_address_is_used_and_not_kept() {
        let mut url = Url::parse("http://me%40home:p%3Aw@a.example/x").unwrap();
        let login = take_login(&mut url).unwrap();
        assert!(login == Login::Basic { user: "me@home".into(), password: "p:w".into() });
        assert_eq!(url.as_str(), "http://a.example/x");
        assert!(take_login(&mut url).is_none());
    }

    /// Who writes `http://` into a list would have the password sent in the clear.
    #[test]
    fn kept_logins_are_for_https() {
        let origin = |url: &str| Origin::of(&Url::parse(url).unwrap()).unwrap();
        let (tls, plain) = (origin("https://h/"), origin("http://h/"));
        for (in_clear, first, origin, sent) in [
            (false, &tls, &tls, true),
            (false, &plain, &plain, false),
            (false, &plain, &tls, true),
            (true, &plain, &plain, true),
            (true, &tls, &plain, false),
        ] {
            let config = Config {
                logins_by_host: Some(std::sync::Arc::new(|_| Some(Login::Bearer("t".into())))),
                logins_in_clear: in_clear,
                ..Config::default()
            };
            assert_eq!(kept_login(&config, first, origin).is_some(), sent, "{first} {origin}");
        }
    }

    #[test]
    fn logins_become_headers() {
        let basic = Login::Basic { user: "Aladdin".into(), password: "open sesame".into() };
        assert_eq!(basic.header().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(Login::Bearer("a\r\nX: y".into()).header().is_none());
    }
}
