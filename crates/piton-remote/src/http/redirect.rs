//! Where a redirect leads (RFC 9110 section 15.4).

use http::StatusCode;
use http::header::{HeaderMap, LOCATION};
use url::Url;

use super::config::Config;
use crate::error::RemoteError;
use crate::origin::Origin;

/// The next address to ask; `None` if the answer is no redirect. `followed` counts those before it.
pub(super) fn next(
    config: &Config,
    status: StatusCode,
    headers: &HeaderMap,
    url: &Url,
    followed: u32,
) -> Result<Option<Url>, RemoteError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let from = Origin::of(url)?;
    let bad = |why: &str| RemoteError::BadRedirect { host: from.to_string(), why: why.to_owned() };
    let location = headers.get(LOCATION).ok_or_else(|| bad("it has no Location"))?;
    // Addresses with raw UTF-8 in them are wrong and common.
    let location = String::from_utf8_lossy(location.as_bytes());
    let mut to = url.join(&location).map_err(|error| bad(&error.to_string()))?;
    // A server does not choose the login for the next one.
    super::credentials::take_login(&mut to);
    if to.fragment().is_none() {
        to.set_fragment(url.fragment());
    }
    let target = Origin::of(&to).map_err(|error| bad(&error.to_string()))?;
    if followed >= config.redirects {
        return Err(RemoteError::TooManyRedirects { limit: config.redirects, url: to });
    }
    if from.tls && !target.tls && !config.allow_downgrade {
        return Err(RemoteError::DowngradeRefused { from: from.to_string(), to });
    }
    Ok(Some(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, location: &str) -> Result<String, RemoteError> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        let from = Url::parse(from).unwrap();
        next(&Config::default(), StatusCode::FOUND, &headers, &from, 0).map(|to| to.unwrap().into())
    }

    #[test]
    fn locations_are_resolved() {
        assert_eq!(follow("http://a.example/x/y?q#f", "../z").unwrap(), "http://a.example/z#f");
        assert_eq!(follow("http://a.example/x", "//b.example/#g").unwrap(), "http://b.example/#g");
        assert_eq!(follow("https://a.example/x", "?s=1").unwrap(), "https://a.example/x?s=1");
        assert_eq!(
            follow("http://a.example/", "http://u:p@b.example/").unwrap(),
            "http://b.example/"
        );
    }

    #[test]
    fn bad_destinations_are_refused() {
        for bad in ["ftp://a.example/", "file:///etc/passwd", "http://", "javascript:alert(1)"] {
            let error = follow("http://a.example/", bad).unwrap_err();
            assert!(matches!(error, RemoteError::BadRedirect { .. }), "{bad}: {error}");
        }
        let error = follow("https://a.example/", "http://u:secret@a.example/").unwrap_err();
        assert!(matches!(error, RemoteError::DowngradeRefused { .. }));
        assert!(!error.to_string().contains("secret"));
    }
}
