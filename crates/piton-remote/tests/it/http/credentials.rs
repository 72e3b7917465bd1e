//! Who may see what: nothing of the user's goes to a host that the user did not name.

use cookie_store::CookieStore;
use http::header::{self, HeaderName, HeaderValue};
use std::sync::Arc;

use md5::{Digest, Md5};
use piton_remote::http::{Config, ConfigError, Credentials, Login, Transport};
use url::Url;

use super::scripted::{Scripted, Seen, ok, say};
use super::{credentials, fetch, head, lane, login, request};

const BASIC: &str = "Basic bWU6c2VjcmV0";

fn me() -> Login {
    Login::Basic { user: "me".to_owned(), password: "secret".to_owned() }
}

/// A host that redirects to itself, then to `other`.
fn leading_to(other: &Scripted) -> Scripted {
    let target = other.url("/theirs");
    Scripted::start(move |seen: &Seen, stream| {
        let location = if seen.target() == "/" { "/again" } else { target.as_str() };
        let moved =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        say(stream, moved.as_bytes())
    })
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_host() {
    let other = Scripted::saying(ok("file"));
    let server = leading_to(&other);
    let header = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let own = vec![
        header(header::AUTHORIZATION, "Token t"),
        header(header::COOKIE, "own=1"),
        header(header::PROXY_AUTHORIZATION, "Basic x"),
        header(HeaderName::from_static("private-token"), "secret"),
    ];
    let url = server.url("/");
    let own = Credentials { headers: own, ..credentials(&[&url]) };
    let mut with_headers = lane(|config| {
        config.credentials = vec![own];
        config.headers = vec![header(HeaderName::from_static("x-mine"), "yes")];
    });
    fetch(&mut with_headers, &url).await.unwrap();
    fetch(&mut lane(|config| config.credentials = login(me(), &[&url])), &url).await.unwrap();
    let with_login = server.url("/").replace("http://", "http://me:secret@");
    fetch(&mut lane(|_| {}), &with_login).await.unwrap();

    let (here, there) = (server.seen(), other.seen());
    for seen in &here[..2] {
        assert_eq!(seen.header("authorization"), Some("Token t"));
        assert_eq!(seen.header("cookie"), Some("own=1"));
        assert_eq!(seen.header("private-token"), Some("secret"));
    }
    assert_eq!(here[3].header("authorization"), Some(BASIC));
    assert_eq!(here[4].header("authorization"), Some(BASIC), "from the address");
    assert_eq!(there.len(), 3);
    assert_eq!(there[0].header("x-mine"), Some("yes"));
    for seen in &there {
        for name in ["authorization", "cookie", "proxy-authorization", "private-token"] {
            assert_eq!(seen.header(name), None);
        }
    }
}

/// What a list says of one of its files is for the server of that file.
#[tokio::test]
async fn headers_of_one_request_stay_with_its_origin() {
    let other = Scripted::saying(ok("file"));
    let server = leading_to(&other);
    let mut lane = lane(|config| {
        config.headers = vec![(HeaderName::from_static("x-mine"), HeaderValue::from_static("all"))];
    });
    let mut asked = request(&server.url("/"));
    asked.headers = ["a", "b"]
        .map(|value| (HeaderName::from_static("x-mine"), HeaderValue::from_static(value)))
        .to_vec();
    lane.get(&asked).await.unwrap();
    for seen in server.seen() {
        assert_eq!(seen.head.matches("x-mine: ").count(), 2, "{seen:?}");
    }
    assert_eq!(other.seen()[0].header("x-mine"), Some("all"));
}

/// A login is for the origins that were named with it, whoever sends the request there: a mirror, an item of
/// a list, a redirect, or a list of digests.
#[tokio::test]
async fn a_login_goes_to_the_origins_that_it_is_for() {
    let [mine, theirs, evil] = [(); 3].map(|()| Scripted::saying(ok("file")));
    let other = Login::Bearer("theirs".to_owned());
    let mut lane = lane(|config| {
        config.credentials = login(me(), &[&mine.url("/")]);
        config.credentials.extend(login(other, &[&theirs.url("/x"), &mine.url("/")]));
    });
    for server in [&mine, &theirs, &evil] {
        fetch(&mut lane, &server.url("/f")).await.unwrap();
    }
    // As a segment is asked for, at the URL that an earlier answer was redirected to.
    let original = Url::parse(&mine.url("/")).unwrap();
    lane.get_for(&original, &request(&evil.url("/f"))).await.unwrap();
    let sent = |server: &Scripted| -> Vec<_> {
        server.seen().iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect()
    };
    assert_eq!(sent(&mine), [Some(BASIC.to_owned())], "the first that is for it");
    assert_eq!(sent(&theirs), [Some("Bearer theirs".to_owned())]);
    assert_eq!(sent(&evil), [None, None]);
}

/// `Location: http://me:secret@other/` would pick the login for a server that the user never gave one.
#[tokio::test]
async fn a_redirect_picks_no_login() {
    let other = Scripted::saying(ok("file"));
    let target = other.url("/").replace("http://", "http://me:secret@");
    let moved = format!("HTTP/1.1 302 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let server = Scripted::saying(moved);
    fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap();
    assert_eq!(other.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_login_stays_with_its_address_inside_one_host() {
    // The same host keeps the login from the address after a redirect within it.
    let server = Scripted::start(|seen: &Seen, stream| match seen.target() {
        "/" => say(stream, b"HTTP/1.1 307 X\r\nLocation: /f\r\nContent-Length: 0\r\n\r\n"),
        _ => say(stream, &ok("file")),
    });
    let url = server.url("/").replace("http://", "http://me:secret@");
    let response = head(&mut lane(|_| {}), &request(&url)).await.unwrap();
    assert_eq!(response.url.as_str(), server.url("/f"), "and is not shown");
    let sent = server.seen();
    assert!(sent.iter().all(|seen| seen.header("authorization") == Some(BASIC)), "{sent:?}");
}

#[tokio::test]
async fn logins_by_host_are_for_that_host() {
    let other = Scripted::saying(ok("file"));
    let server = leading_to(&other);
    let url = server.url("/").replace("127.0.0.1", "localhost");
    let mut lane = lane(|config| {
        config.logins_in_clear = true;
        config.logins_by_host = Some(Arc::new(|host| {
            (host == "localhost").then(|| Login::Bearer("for-localhost".to_owned()))
        }));
    });
    fetch(&mut lane, &url).await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), Some("Bearer for-localhost"));
    assert_eq!(other.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn cookies_go_where_they_belong() {
    let other = Scripted::saying(ok("file"));
    let target = other.url("/");
    let server = Scripted::start(move |seen: &Seen, stream| {
        let location = match seen.target() {
            "/" => "/a/b",
            "/a/b" => target.as_str(),
            _ => return say(stream, &ok("home")),
        };
        say(
            stream,
            format!(
                "HTTP/1.1 302 X\r\nLocation: {location}\r\nSet-Cookie: s=1; Path=/a\r\n\
                 Set-Cookie: evil=1; Domain=example.org\r\nContent-Length: 0\r\n\r\n"
            )
            .as_bytes(),
        )
    });
    let url = server.url("/").replace("127.0.0.1", "localhost");
    let mut kept = CookieStore::default();
    kept.parse("from-file=2; Domain=localhost", &Url::parse(&url).unwrap()).unwrap();
    let transport = {
        let mut config = Config::default();
        config.cookies = Some(kept);
        Transport::new(config).unwrap()
    };
    fetch(&mut transport.lane(), &url).await.unwrap();
    fetch(&mut transport.lane(), &format!("{url}a/c")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("cookie"), Some("from-file=2"));
    for later in &seen[1..] {
        let cookies = later.header("cookie").unwrap();
        assert!(cookies.contains("s=1") && cookies.contains("from-file=2"), "{cookies}");
        assert!(!cookies.contains("evil"), "{cookies}");
    }
    assert!(other.seen().iter().all(|seen| seen.header("cookie").is_none()));
}

#[tokio::test]
async fn headers_are_the_users_within_reason() {
    let server = Scripted::saying(ok("x"));
    let pair = |name: &'static str, value| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let own =
        vec![pair("user-agent", "mine"), pair("x-a", "1"), pair("x-a", "2"), pair("accept", "a/b")];
    fetch(&mut lane(|config| config.headers = own), &server.url("/")).await.unwrap();
    fetch(&mut lane(|_| {}), &server.url("/")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].header("user-agent"), Some("mine"));
    assert_eq!(seen[0].header("accept"), Some("a/b"));
    assert_eq!(seen[0].head.matches("x-a: ").count(), 2);
    assert!(seen[1].header("user-agent").unwrap().starts_with("piton/"));

    let mut config = Config::default();
    config.credentials = login(Login::Bearer("token\n".to_owned()), &["http://h/"]);
    assert!(matches!(Transport::new(config), Err(ConfigError::Login)));
    for name in ["range", "if-range", "accept-encoding", "host", "transfer-encoding"] {
        let mut config = Config::default();
        config.headers = vec![pair(name, "x")];
        assert!(matches!(Transport::new(config), Err(ConfigError::Header { .. })), "{name}");
        let mut config = Config::default();
        config.credentials =
            vec![Credentials { headers: vec![pair(name, "x")], ..Credentials::default() }];
        assert!(matches!(Transport::new(config), Err(ConfigError::Header { .. })), "{name}");
    }
    for name in ["authorization", "cookie", "proxy-authorization"] {
        let mut config = Config::default();
        config.headers = vec![pair(name, "x")];
        assert!(matches!(Transport::new(config), Err(ConfigError::ForAll { .. })), "{name}");
    }
}

/// A server that wants a Digest login for `me` with `secret` (RFC 7616), with a nonce that is too old after
/// three answers.
fn wants_digest() -> Scripted {
    let md5 = |text: String| {
        let digits = Md5::digest(text.as_bytes());
        digits.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    Scripted::start(move |seen: &Seen, stream| {
        let nonce = format!("nonce-{}", seen.number / 4);
        let said = seen.header("authorization").unwrap_or_default();
        let part = |name: &str| {
            let start = said.find(&format!(" {name}="))? + name.len() + 2;
            let value = said[start..].split(',').next()?.trim();
            Some(value.trim_matches('"').to_owned())
        };
        let stale = part("nonce").is_some_and(|old| old != nonce);
        let expected = (|| {
            let user = md5("me:files:secret".to_owned());
            let what = md5(format!("GET:{}", seen.target()));
            let (nc, cnonce) = (part("nc")?, part("cnonce")?);
            Some(md5(format!("{user}:{nonce}:{nc}:{cnonce}:auth:{what}")))
        })();
        if said.starts_with("Digest ") && expected.is_some() && part("response") == expected {
            return say(stream, &ok("file"));
        }
        let challenge = format!(
            "Digest realm=\"files\", qop=\"auth\", algorithm=MD5, nonce=\"{nonce}\", stale={stale}"
        );
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
        );
        say(stream, head.as_bytes())
    })
}

#[tokio::test]
async fn a_digest_login_is_answered_and_again_when_its_nonce_is_too_old() {
    let server = wants_digest();
    let url = server.url("/f?a=b");
    let mut lane = lane(|config| config.credentials = login(me(), &[&url]));
    for _ in 0..6 {
        assert_eq!(fetch(&mut lane, &url).await.unwrap(), b"file");
    }
    // The first request, and one for each nonce that was too old.
    assert!((8..=9).contains(&server.seen().len()), "{:?}", server.seen());
    let basic =
        server.seen().iter().filter(|seen| seen.header("authorization") == Some(BASIC)).count();
    assert_eq!(basic, 1, "once challenged, the password is not sent any more");
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_again_and_again() {
    let server = wants_digest();
    let url = server.url("/f");
    let wrong = Login::Basic { user: "me".to_owned(), password: "wrong".to_owned() };
    let mut with_wrong = lane(|config| config.credentials = login(wrong, &[&url]));
    assert_eq!(head(&mut with_wrong, &request(&url)).await.unwrap().status, 401);
    assert!(server.seen().len() <= 3, "{:?}", server.seen());
    // Nobody's password goes to a server that it is not for.
    let other = Scripted::saying(ok("file"));
    let mut lane = lane(|config| config.credentials = login(me(), &[&other.url("/")]));
    assert_eq!(head(&mut lane, &request(&url)).await.unwrap().status, 401);
    assert_eq!(server.seen().last().unwrap().header("authorization"), None);
}
