//! Cookies: those of the user's file, each for its domain, and those that servers set, each for its very host.
//!
//! A server may ask that its cookie goes to a whole domain (RFC 6265 section 4.1.2.3). Whether that is a
//! company or all of `.com` only the public suffix list tells, which would have to be carried along and kept
//! up to date. What is set on the way to a file is for the host that set it, so the wish is not granted.

use cookie_store::{Cookie, CookieStore, RawCookie};
use http::header::{self, HeaderMap, HeaderValue};
use url::{Host, Url};

use super::{Shared, lock};

/// More than any honest server sets; hostile ones must not fill the memory (G8), nor take the place of others.
const MOST: usize = 3000;
const MOST_OF_HOST: usize = 50;
const LONGEST: usize = 4096;

/// Writes one `Cookie` line: what is there already, then those of the store.
pub(super) fn add(shared: &Shared, url: &Url, headers: &mut HeaderMap) {
    let cookies = lock(&shared.cookies);
    let mut line = Vec::new();
    let kept = cookies.get_request_values(url).map(|(name, value)| format!("{name}={value}"));
    let own = headers.get_all(header::COOKIE).into_iter().map(|value| value.as_bytes().to_vec());
    for cookie in own.chain(kept.map(String::into_bytes)) {
        if !line.is_empty() {
            line.extend_from_slice(b"; ");
        }
        line.extend_from_slice(&cookie);
    }
    if let Ok(mut value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(line))
        && !value.is_empty()
    {
        value.set_sensitive(true);
        headers.insert(header::COOKIE, value);
    }
}

/// Keeps the cookies that `url` sets, for the requests that follow, of all lanes. One that is malformed or
/// not this host's to set is not kept; the download continues without.
pub(super) fn keep(shared: &Shared, url: &Url, headers: &HeaderMap) {
    let mut set = headers.get_all(header::SET_COOKIE).into_iter().peekable();
    if set.peek().is_none() {
        return;
    }
    let mut cookies = lock(&shared.cookies);
    let texts = set.filter_map(|value| value.to_str().ok()).filter(|text| text.len() <= LONGEST);
    for cookie in texts.filter_map(|text| read(text, url)) {
        if has_room(&cookies, &cookie, url) && !hides_secure(&cookies, &cookie, url) {
            // Refused is what has expired.
            let _ = cookies.insert(cookie, url);
        }
    }
}

/// The cookie that `url` may set with this text.
fn read(text: &str, url: &Url) -> Option<Cookie<'static>> {
    let mut raw = RawCookie::parse(text).ok()?.into_owned();
    if !may_set(&raw, url) {
        return None;
    }
    raw.unset_domain();
    Cookie::try_from_raw_cookie(&raw, url).ok()
}

/// Whether the domain is one that the host belongs to, and the name promises nothing that is not so (RFC
/// 6265bis section 4.1.3, whatever the case of the prefix).
fn may_set(cookie: &RawCookie<'_>, url: &Url) -> bool {
    let tls = url.scheme() == "https";
    let secure = cookie.secure().unwrap_or(false);
    let domain = cookie.domain().filter(|domain| !domain.is_empty());
    let name = cookie.name().to_ascii_lowercase();
    let promise = if name.starts_with("__host-") {
        secure && domain.is_none() && cookie.path() == Some("/")
    } else {
        secure || !name.starts_with("__secure-")
    };
    promise && (tls || !secure) && domain.is_none_or(|domain| belongs_to(url, domain))
}

fn belongs_to(url: &Url, domain: &str) -> bool {
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    match url.host() {
        Some(Host::Domain(host)) => {
            host == domain
                || host.strip_suffix(domain.as_str()).is_some_and(|front| front.ends_with('.'))
        }
        Some(address) => address.to_string() == domain,
        None => false,
    }
}

/// Whether there is a place for it: its own, if it is there already.
fn has_room(cookies: &CookieStore, cookie: &Cookie<'_>, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    if cookies.contains_any(host, &cookie.path, cookie.name()) {
        return true;
    }
    let (mut all, mut of_host) = (0, 0);
    for other in cookies.iter_any() {
        all += 1;
        of_host += usize::from(other.domain.host_is_identical(url));
    }
    all < MOST && of_host < MOST_OF_HOST
}

/// Whether somebody between here and a plain http server would put their own cookie in the place of one that
/// came encrypted.
fn hides_secure(cookies: &CookieStore, cookie: &Cookie<'_>, url: &Url) -> bool {
    url.scheme() != "https"
        && cookies.iter_any().any(|other| {
            other.secure().unwrap_or(false)
                && other.name() == cookie.name()
                && other.domain.matches(url)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent to `to` after `from` set this.
    fn sent(from: &str, set: &str, to: &str) -> String {
        let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
        let mut cookies = CookieStore::default();
        if let Some(cookie) = read(set, &from) {
            cookies.insert(cookie, &from).unwrap();
        }
        let values = cookies.get_request_values(&to).map(|(name, value)| format!("{name}={value}"));
        values.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_cookie_stays_with_the_host_that_set_it() {
        for (set, own) in [
            ("a=1; Domain=com", "a=1"),
            ("a=1; Domain=.example.com", "a=1"),
            ("a=1; Domain=WWW.Example.com", "a=1"),
            ("a=1; Domain=", "a=1"),
            ("a=1; Domain=ample.com", ""),
            ("a=1; Domain=other.com", ""),
            ("a=1; Domain=sub.www.example.com", ""),
        ] {
            assert_eq!(sent("https://www.example.com/", set, "https://www.example.com/"), own);
            for other in
                ["https://other.com/", "https://example.com/", "https://x.www.example.com/"]
            {
                assert_eq!(sent("https://www.example.com/", set, other), "", "{set} to {other}");
            }
        }
        assert_eq!(sent("http://127.0.0.1/", "a=1; Domain=0.0.1", "http://127.0.0.1/"), "");
        assert_eq!(sent("http://127.0.0.1/", "a=1; Domain=127.0.0.1", "http://127.0.0.1/"), "a=1");
    }

    #[test]
    fn prefixes_are_promises() {
        let kept = |from: &str, set: &str| !sent(from, set, "https://h/").is_empty();
        for (set, over_https) in [
            ("__Host-a=1; Secure; Path=/", true),
            ("__Host-a=1; Secure", false),
            ("__Host-a=1; Path=/", false),
            ("__host-a=1; Secure; Path=/; Domain=h", false),
            ("__Secure-a=1; Secure", true),
            ("__SECURE-a=1", false),
            ("a=1; Secure", true),
        ] {
            assert_eq!(kept("https://h/", set), over_https, "{set}");
            assert!(!kept("http://h/", set), "{set}");
        }
    }

    #[test]
    fn what_came_encrypted_is_not_hidden_nor_crowded_out() {
        let (tls, plain) = (Url::parse("https://h/").unwrap(), Url::parse("http://h/").unwrap());
        let mut cookies = CookieStore::default();
        cookies.insert(read("a=1; Secure", &tls).unwrap(), &tls).unwrap();
        assert!(hides_secure(&cookies, &read("a=2; Path=/x", &plain).unwrap(), &plain));
        assert!(!hides_secure(&cookies, &read("b=2", &plain).unwrap(), &plain));
        for number in 1..MOST_OF_HOST {
            let cookie = read(&format!("c{number}=1"), &tls).unwrap();
            assert!(has_room(&cookies, &cookie, &tls));
            cookies.insert(cookie, &tls).unwrap();
        }
        assert!(!has_room(&cookies, &read("d=1", &tls).unwrap(), &tls));
        assert!(has_room(&cookies, &read("a=2", &tls).unwrap(), &tls), "its own place");
        let other = Url::parse("https://other/").unwrap();
        assert!(has_room(&cookies, &read("d=1", &other).unwrap(), &other));
    }
}
