//! Digest logins (RFC 7616): the password is never sent, only a digest of it with what the server challenges.

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http_auth::digest::{Algorithm, DigestClient};
use http_auth::{PasswordParams, parse_challenges};
use url::{Position, Url};

use super::config::Login;
use super::{Shared, lock};
use crate::origin::Origin;

/// So many servers are remembered that challenged; then it forgets them all.
const REMEMBERED: usize = 256;
/// A challenge that is longer is none.
const LONGEST: usize = 4096;

/// The answer to what this server challenged last, for a GET of `url`. `None`: it has not, or there is no
/// password to answer with.
pub(super) fn answer(
    shared: &Shared,
    origin: &Origin,
    login: Option<&Login>,
    url: &Url,
) -> Option<HeaderValue> {
    let Some(Login::Basic { user, password }) = login else { return None };
    let mut challenges = lock(&shared.challenges);
    let client = challenges.get_mut(origin)?;
    let uri = &url[Position::BeforePath..Position::AfterQuery];
    let said = PasswordParams { username: user, password, uri, method: "GET", body: Some(&[]) };
    let mut value = HeaderValue::from_str(&client.respond(&said).ok()?).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether an answer with status 401 challenges in a way that [`answer`] can answer to from now on. After
/// challenges that were `answered` for the same question only a nonce that is too old is worth another.
pub(super) fn is_challenged(
    shared: &Shared,
    origin: &Origin,
    login: Option<&Login>,
    headers: &HeaderMap,
    answered: u32,
) -> bool {
    if !matches!(login, Some(Login::Basic { .. })) {
        return false;
    }
    let Some(client) = challenge(headers).filter(|client| answered == 0 || client.stale()) else {
        return false;
    };
    let mut challenges = lock(&shared.challenges);
    if challenges.len() >= REMEMBERED {
        challenges.clear();
    }
    challenges.insert(origin.clone(), client);
    true
}

/// The best Digest challenge among those in the head.
fn challenge(headers: &HeaderMap) -> Option<DigestClient> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let values = values.filter_map(|value| value.to_str().ok().filter(|it| it.len() <= LONGEST));
    let challenges = values.filter_map(|value| parse_challenges(value).ok()).flatten();
    let digests = challenges
        .filter(|challenge| challenge.scheme.eq_ignore_ascii_case("digest"))
        .filter_map(|challenge| DigestClient::try_from(&challenge).ok());
    digests.max_by_key(|client| client.algorithm() != Algorithm::Md5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Algorithm> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        challenge(&headers).map(|client| client.algorithm())
    }

    #[test]
    fn the_best_challenge_is_taken() {
        let md5 = "Digest realm=\"a\", nonce=\"n\", qop=\"auth\", algorithm=MD5";
        let sha = "Digest realm=\"a\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
        assert_eq!(of(&[md5]), Some(Algorithm::Md5));
        assert_eq!(of(&[sha, md5]), Some(Algorithm::Sha256));
        assert_eq!(of(&[md5, sha]), Some(Algorithm::Sha256));
        assert_eq!(of(&["Basic realm=\"x\"", md5]), Some(Algorithm::Md5));
        let long = format!("{md5}, x=\"{}\"", "y".repeat(LONGEST));
        for none in ["Basic realm=\"x\"", "Digest", "Digest realm=x", "Negotiate", "", &long] {
            assert_eq!(of(&[none]), None, "{none}");
        }
    }
}
