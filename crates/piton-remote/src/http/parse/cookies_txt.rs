//! The Netscape cookie file, `cookies.txt`, as browsers' add-ons, curl and wget write it.
//!
//! A line has seven fields with tabs between them: domain, whether subdomains count, path, whether only
//! HTTPS counts, the time it expires (seconds since 1970, 0 for a session), name, value.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cookie_store::{CookieExpiration, CookieStore, RawCookie};
use url::Url;

/// The cookies of a file, and the lines that are none.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CookiesTxt {
    /// The cookies in the order of the file, expired ones too.
    pub(crate) entries: Vec<StoredCookie>,
    /// The numbers (from 1) of lines that are neither cookies nor comments nor empty, so that the user
    /// can be told.
    pub rubbish: Vec<usize>,
}

/// One cookie. Its debug form hides the value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) struct StoredCookie {
    /// The host, lower case and in ASCII, without the leading dot.
    pub domain: String,
    /// Whether the hosts below the domain get the cookie too.
    pub include_subdomains: bool,
    /// The path under which the cookie counts; begins with `/`.
    pub path: String,
    /// Whether the cookie is for HTTPS only.
    pub secure: bool,
    /// Whether scripts of a page could not see it; without meaning here.
    pub http_only: bool,
    /// When it expires; `None` for a cookie of a session.
    pub expires: Option<SystemTime>,
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl CookiesTxt {
    /// Whether no line of it is a cookie.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Parses the text of a cookie file. Lines that are no cookies are noted and skipped.
    pub fn parse(text: &str) -> CookiesTxt {
        let mut cookies = CookiesTxt::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            let (http_only, line) = match line.strip_prefix("#HttpOnly_") {
                Some(line) => (true, line),
                None if line.starts_with('#') || line.trim().is_empty() => continue,
                None => (false, line),
            };
            match entry(line, http_only) {
                Some(entry) => cookies.entries.push(entry),
                None => cookies.rubbish.push(number),
            }
        }
        cookies
    }

    /// The cookies that have not expired at `now`, as the transport takes them. The store expires them by
    /// the system's clock, after what was left of their time at `now`.
    pub fn into_store(self, now: SystemTime) -> CookieStore {
        let cookies = self.entries.into_iter().filter_map(|entry| entry.into_cookie(now)).map(Ok);
        // The error type is that of the iterator, which has none.
        CookieStore::from_cookies::<_, std::convert::Infallible>(cookies, true).unwrap_or_default()
    }
}

impl StoredCookie {
    fn into_cookie(self, now: SystemTime) -> Option<cookie_store::Cookie<'static>> {
        let left = match self.expires {
            Some(expires) => Some(expires.duration_since(now).ok().filter(|left| !left.is_zero())?),
            None => None,
        };
        let url = origin(&self.domain)?;
        let mut raw = RawCookie::new(self.name, self.value);
        raw.set_path(self.path);
        raw.set_secure(self.secure);
        raw.set_http_only(self.http_only);
        if self.include_subdomains {
            raw.set_domain(self.domain);
        }
        let mut cookie = cookie_store::Cookie::try_from_raw_cookie(&raw, &url).ok()?;
        if let Some(left) = left {
            cookie.expires = CookieExpiration::from(left.as_secs().max(1));
        }
        Some(cookie)
    }
}

impl fmt::Debug for StoredCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("domain", &self.domain)
            .field("path", &self.path)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn entry(line: &str, http_only: bool) -> Option<StoredCookie> {
    let mut fields = line.split('\t');
    let (domain, subdomains, path, secure, expires, name) = (
        fields.next()?,
        flag(fields.next()?)?,
        fields.next()?,
        flag(fields.next()?)?,
        expiry(fields.next()?)?,
        fields.next()?,
    );
    // Some writers leave out the last tab with an empty value.
    let value = fields.next().unwrap_or("");
    let sendable = |text: &str| !text.contains(|c: char| c.is_control() || c == ';');
    let well_formed = fields.next().is_none()
        && !name.is_empty()
        && !name.contains('=')
        && path.starts_with('/')
        && [name, value, path].into_iter().all(sendable);
    if !well_formed {
        return None;
    }
    let host = domain.strip_prefix('.').unwrap_or(domain);
    let plain = !host.contains(['/', '\\', '@', '?', '#']) && !host.contains(char::is_whitespace);
    let url = origin(host).filter(|url| plain && url.port().is_none())?;
    Some(StoredCookie {
        domain: url.host_str()?.to_owned(),
        // An IP address has no subdomains.
        include_subdomains: subdomains && url.domain().is_some(),
        path: path.to_owned(),
        secure,
        http_only,
        expires,
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn flag(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("TRUE") => Some(true),
        _ if text.eq_ignore_ascii_case("FALSE") => Some(false),
        _ => None,
    }
}

/// Seconds since 1970; 0 (and nothing, and the -1 of some add-ons) for a session. Parts of a second,
/// which some add-ons write, are cut; times too far away for the system never come.
fn expiry(text: &str) -> Option<Option<SystemTime>> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    if matches!(whole, "" | "-1") {
        return Some(None);
    }
    if !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = whole.parse().ok().filter(|&seconds| seconds > 0);
    Some(seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))))
}

/// An address at which the domain may set a cookie.
fn origin(host: &str) -> Option<Url> {
    Url::parse(&format!("https://{host}/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    /// The Cookie header that the store of `text` sends to `url`.
    fn sent(text: &str, url: &str) -> String {
        let store = CookiesTxt::parse(text).into_store(UNIX_EPOCH + NOW);
        let url = Url::parse(url).unwrap();
        let mut pairs: Vec<String> =
            store.get_request_values(&url).map(|(name, value)| format!("{name}={value}")).collect();
        pairs.sort();
        pairs.join("; ")
    }

    #[test]
    fn who_gets_which_cookie() {
        let text = "# Netscape HTTP Cookie File\n\
            .a.example\tTRUE\t/\tFALSE\t0\tall\t1\n\
            a.example\tFALSE\t/\tFALSE\t0\thost\t2\n\
            .a.example\tTRUE\t/dir\tFALSE\t0\tdir\t3\n\
            .a.example\tTRUE\t/\tTRUE\t0\tsafe\t4\r\n\
            \n\
            #HttpOnly_.a.example\tTRUE\t/\tFALSE\t0\thttponly\t5\n\
            .a.example\tTRUE\t/\tFALSE\t1600000000\told\t6\n\
            .a.example\tTRUE\t/\tFALSE\t4000000000\tnew\t7\n";
        let cookies = CookiesTxt::parse(text);
        assert!(cookies.rubbish.is_empty());
        assert_eq!(cookies.entries.len(), 7);
        assert_eq!(sent(text, "http://a.example/"), "all=1; host=2; httponly=5; new=7");
        assert_eq!(
            sent(text, "https://a.example/dir/x"),
            "all=1; dir=3; host=2; httponly=5; new=7; safe=4"
        );
        assert_eq!(sent(text, "http://w.a.example/"), "all=1; httponly=5; new=7");
        assert_eq!(sent(text, "http://xa.example/"), "");
        assert_eq!(sent(text, "http://b.example/"), "");
    }

    #[test]
    fn odd_but_usable_lines() {
        assert_eq!(sent("localhost\tFALSE\t/\tFALSE\t00\tn\tv", "http://localhost:8080/"), "n=v");
        assert_eq!(sent("localhost\tFALSE\t/\tFALSE\t\tn\tv", "http://localhost/"), "n=v");
        assert_eq!(sent("127.0.0.1\tFALSE\t/\tfalse\t-1\tn\tv", "http://127.0.0.1/"), "n=v");
        assert_eq!(
            sent("A.Example\tTRUE\t/\tFALSE\t4000000000.25\tn\t", "http://a.example/"),
            "n="
        );
        assert_eq!(sent("a.example\tTRUE\t/\tFALSE\t0\tn", "http://a.example/"), "n=");
        assert_eq!(
            sent(
                "a.example\tTRUE\t/\tFALSE\t99999999999999999999999\tn\ta=b \"c\"",
                "http://a.example/"
            ),
            "n=a=b \"c\""
        );
    }

    #[test]
    fn rubbish_is_reported_by_line() {
        let text = "# comment\nrubbish\na.example\tTRUE\t/\tFALSE\t0\tn\tv\n\
            a.example\tYES\t/\tFALSE\t0\tn\tv\n\
            a.example\tTRUE\tdir\tFALSE\t0\tn\tv\n\
            a.example\tTRUE\t/\tFALSE\tsoon\tn\tv\n\
            a.example\tTRUE\t/\tFALSE\t0\t\tv\n\
            a.example\tTRUE\t/\tFALSE\t0\tn\tv\tw\n\
            a.example\tTRUE\t/\tFALSE\t0\tn\tv\x01\n\
            a.example\tTRUE\t/\tFALSE\t0\tn\tv; x=y\n\
            \tTRUE\t/\tFALSE\t0\tn\tv\n\
            u@a.example\tTRUE\t/\tFALSE\t0\tn\tv\n\
            a.example:80\tTRUE\t/\tFALSE\t0\tn\tv\n\
            a b\tTRUE\t/\tFALSE\t0\tn\tv\n";
        let cookies = CookiesTxt::parse(text);
        assert_eq!(cookies.rubbish, [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(cookies.entries.len(), 1);
    }

    #[test]
    fn values_stay_out_of_logs() {
        let cookies = CookiesTxt::parse("a.example\tTRUE\t/\tFALSE\t0\tn\tsecret");
        assert_eq!(cookies.entries[0].value, "secret");
        assert!(!format!("{cookies:?}").contains("secret"));
    }
}
